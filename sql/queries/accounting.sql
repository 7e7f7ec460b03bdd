-- Where is every message of the audience? Each counts in the first that holds, top to bottom, so the rows sum up to the
-- audience; `overdrawn` is by how much more messages are known than the audience has, and should be 0.
WITH
    (SELECT any(audience) FROM campaigns FINAL WHERE campaign_id = {campaign_id:String}) AS audience,
    ['suppressed', 'capped', 'expired', 'invalid', 'duplicate', 'unrenderable', 'cancelled'] AS reasons
SELECT entry.1 AS line, entry.2 AS what, toUInt64(entry.3) AS messages
FROM
(
    SELECT
        arrayConcat(
            [
                (1, 'handed over', toInt64(bitmapCardinality(handed_over))),
                (2, 'in doubt', toInt64(bitmapCardinality(first_two)) - toInt64(bitmapCardinality(handed_over))),
                (3, 'in flight', toInt64(bitmapCardinality(first_three)) - toInt64(bitmapCardinality(first_two)))
            ],
            -- A message screened for several reasons counts under the first of them.
            arrayFilter(found -> has(told, substring(found.2, 11)), arrayMap(
                (reason, reached, before) -> (4, concat('screened: ', reason), toInt64(reached) - toInt64(before)),
                reasons, screened_reached, arrayPushFront(arrayPopBack(screened_reached), bitmapCardinality(first_three)))),
            [
                (5, 'rejected for good', toInt64(known) - toInt64(screened_reached[-1])),
                (6, 'queued', greatest(0, toInt64(audience) - toInt64(known))),
                (7, 'overdrawn', greatest(0, toInt64(known) - toInt64(audience)))
            ]) AS lines
    FROM
    (
        SELECT
            handed_over,
            first_two,
            first_three,
            told,
            [
                bitmapOrCardinality(first_three, screened.1),
                bitmapOrCardinality(first_three, screened.2),
                bitmapOrCardinality(first_three, screened.3),
                bitmapOrCardinality(first_three, screened.4),
                bitmapOrCardinality(first_three, screened.5),
                bitmapOrCardinality(first_three, screened.6),
                bitmapOrCardinality(first_three, screened.7)
            ] AS screened_reached,
            bitmapOrCardinality(first_three, bitmapOr(screened.7, rejected)) AS known
        FROM
        (
            SELECT
                handed_over,
                bitmapOr(handed_over, in_doubt) AS first_two,
                bitmapOr(first_two, in_flight) AS first_three,
                screened,
                rejected,
                told
            FROM
            (
                SELECT
                    bitmapOr(r.reported, d.sent) AS handed_over, d.in_doubt AS in_doubt, d.in_flight AS in_flight,
                    d.screened AS screened, d.rejected AS rejected, d.told AS told
                FROM
                (
                    SELECT groupBitmapMergeState(messages) AS reported
                    FROM stages
                    WHERE campaign_id = {campaign_id:String} AND stage = 'sent'
                ) AS r
                CROSS JOIN
                (
                    -- A doubt is settled, an intent answered, by the same attempt: a message may be in doubt by its second.
                    SELECT
                        groupBitmapMergeState(sent) AS sent,
                        groupBitmapMergeState(bitmapAndnot(doubted, answered)) AS in_doubt,
                        groupBitmapMergeState(bitmapAndnot(intended, bitmapOr(doubted, answered))) AS in_flight,
                        (
                            groupBitmapMergeState(screened.1), groupBitmapMergeState(screened.2),
                            groupBitmapMergeState(screened.3), groupBitmapMergeState(screened.4),
                            groupBitmapMergeState(screened.5), groupBitmapMergeState(screened.6),
                            groupBitmapMergeState(screened.7)
                        ) AS screened,
                        groupBitmapMergeState(rejected) AS rejected,
                        groupUniqArrayArray(told) AS told
                    FROM
                    (
                        SELECT
                            groupUniqArrayIf(toString(reason), type = 'screened') AS told,
                            groupBitmapMergeStateIf(messages, type = 'accepted' OR (type = 'settled' AND outcome = 'sent')) AS sent,
                            groupBitmapMergeStateIf(messages, type = 'in_doubt') AS doubted,
                            groupBitmapMergeStateIf(messages, type IN ('accepted', 'rejected', 'settled')) AS answered,
                            groupBitmapMergeStateIf(messages, type = 'intent') AS intended,
                            (
                                groupBitmapMergeStateIf(messages, type = 'screened' AND indexOf(reasons, reason) <= 1),
                                groupBitmapMergeStateIf(messages, type = 'screened' AND indexOf(reasons, reason) <= 2),
                                groupBitmapMergeStateIf(messages, type = 'screened' AND indexOf(reasons, reason) <= 3),
                                groupBitmapMergeStateIf(messages, type = 'screened' AND indexOf(reasons, reason) <= 4),
                                groupBitmapMergeStateIf(messages, type = 'screened' AND indexOf(reasons, reason) <= 5),
                                groupBitmapMergeStateIf(messages, type = 'screened' AND indexOf(reasons, reason) <= 6),
                                groupBitmapMergeStateIf(messages, type = 'screened')
                            ) AS screened,
                            groupBitmapMergeStateIf(messages, type = 'rejected' AND final) AS rejected
                        FROM dispositions
                        WHERE campaign_id = {campaign_id:String}
                        GROUP BY attempt
                    )
                ) AS d
            )
        )
    )
)
ARRAY JOIN lines AS entry
ORDER BY line, what
