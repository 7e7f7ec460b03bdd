-- Which messages does a line of the accounting count, as query accounting has it? `what` is the line's name; queued messages
-- have no record, so no key. The next `at_most` keys behind `after`.
WITH
    ['suppressed', 'capped', 'expired', 'invalid', 'duplicate', 'unrenderable', 'cancelled'] AS reasons,
    indexOf(reasons, substring({what:String}, 11)) AS place,
    indexOf(['handed over', 'in doubt', 'in flight', 'rejected for good'], {what:String}) AS line
SELECT arrayJoin(arraySort(bitmapToArray(bitmapSubsetLimit(counted, toUInt64({after:Int64} + 1), {at_most:UInt64})))) AS message_key
FROM
(
    SELECT
        -- What holds of them, without what counts in a line above.
        bitmapAndnot(
            multiIf(line = 1, handed_over, line = 2, in_doubt, line = 3, in_flight, line = 4, rejected, screened),
            multiIf(
                line = 1, bitmapAndnot(handed_over, handed_over),
                line = 2, handed_over,
                line = 3, bitmapOr(handed_over, in_doubt),
                bitmapOr(bitmapOr(handed_over, bitmapOr(in_doubt, in_flight)), screened_before))) AS counted
    FROM
    (
        SELECT
            bitmapOr(r.reported, d.sent) AS handed_over, d.in_doubt AS in_doubt, d.in_flight AS in_flight,
            d.screened AS screened, d.screened_before AS screened_before, d.rejected AS rejected
        FROM
        (
            SELECT groupBitmapMergeState(messages) AS reported
            FROM stages
            WHERE campaign_id = {campaign_id:String} AND stage = 'sent'
        ) AS r
        CROSS JOIN
        (
            SELECT
                groupBitmapMergeState(sent) AS sent,
                groupBitmapMergeState(bitmapAndnot(doubted, answered)) AS in_doubt,
                groupBitmapMergeState(bitmapAndnot(intended, bitmapOr(doubted, answered))) AS in_flight,
                groupBitmapMergeState(screened_so) AS screened,
                groupBitmapMergeState(screened_above) AS screened_before,
                groupBitmapMergeState(refused) AS rejected
            FROM
            (
                SELECT
                    groupBitmapMergeStateIf(messages, type = 'accepted' OR (type = 'settled' AND outcome = 'sent')) AS sent,
                    groupBitmapMergeStateIf(messages, type = 'in_doubt') AS doubted,
                    groupBitmapMergeStateIf(messages, type IN ('accepted', 'rejected', 'settled')) AS answered,
                    groupBitmapMergeStateIf(messages, type = 'intent') AS intended,
                    groupBitmapMergeStateIf(messages, type = 'screened' AND indexOf(reasons, reason) = place) AS screened_so,
                    groupBitmapMergeStateIf(messages, type = 'screened' AND (line = 4 OR indexOf(reasons, reason) < place)) AS screened_above,
                    groupBitmapMergeStateIf(messages, type = 'rejected' AND final) AS refused
                FROM dispositions
                WHERE campaign_id = {campaign_id:String}
                GROUP BY attempt
            )
        ) AS d
    )
)
