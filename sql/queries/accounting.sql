-- Where is every message of the audience? Each counts in the first that holds, top to bottom, so the rows sum up to the
-- audience; `overdrawn` is by how much more messages are known than the audience has, and should be 0.
WITH
    (SELECT any(audience) FROM campaigns FINAL WHERE campaign_id = {campaign_id:String}) AS audience,
    (
        SELECT groupBitmapMergeState(messages)
        FROM totals
        WHERE campaign_id = {campaign_id:String} AND status NOT IN ('rejected', 'unsubscribed', 'resubscribed', 'unknown')
    ) AS reported,
    -- A doubt is settled, an intent answered, by the same attempt: a message may be in doubt by its second.
    (
        SELECT
            (
                groupBitmapMergeState(sent),
                groupBitmapMergeState(bitmapAndnot(doubted, answered)),
                groupBitmapMergeState(bitmapAndnot(intended, bitmapOr(doubted, answered))),
                groupBitmapMergeState(screened),
                groupBitmapMergeState(rejected)
            )
        FROM
        (
            SELECT
                groupBitmapMergeStateIf(messages, type = 'accepted' OR (type = 'settled' AND outcome = 'sent')) AS sent,
                groupBitmapMergeStateIf(messages, type = 'in_doubt') AS doubted,
                groupBitmapMergeStateIf(messages, type IN ('accepted', 'rejected', 'settled')) AS answered,
                groupBitmapMergeStateIf(messages, type = 'intent') AS intended,
                groupBitmapMergeStateIf(messages, type = 'screened') AS screened,
                groupBitmapMergeStateIf(messages, type = 'rejected' AND final) AS rejected
            FROM dispositions
            WHERE campaign_id = {campaign_id:String}
            GROUP BY attempt
        )
    ) AS said,
    bitmapOr(reported, said.1) AS handed_over,
    bitmapAndnot(said.2, handed_over) AS in_doubt,
    bitmapOr(handed_over, in_doubt) AS first_two,
    bitmapAndnot(said.3, first_two) AS in_flight,
    bitmapOr(first_two, in_flight) AS first_three,
    bitmapAndnot(said.4, first_three) AS screened,
    bitmapOr(first_three, screened) AS first_four,
    bitmapAndnot(said.5, first_four) AS rejected,
    bitmapCardinality(bitmapOr(first_four, rejected)) AS known
SELECT * FROM
(
    SELECT 1 AS line, 'handed over' AS what, bitmapCardinality(handed_over) AS messages
    UNION ALL SELECT 2, 'in doubt', bitmapCardinality(in_doubt)
    UNION ALL SELECT 3, 'in flight', bitmapCardinality(in_flight)
    UNION ALL
    SELECT 4, concat('screened: ', s.reason), toUInt64(reached - lagInFrame(reached, 1, 0) OVER (ORDER BY s.place))
    FROM
    (
        -- A message screened for several reasons counts under the first of them.
        SELECT reason, place, groupBitmapMerge(messages) OVER (ORDER BY place ROWS UNBOUNDED PRECEDING) AS reached
        FROM
        (
            SELECT
                reason,
                indexOf(['suppressed', 'capped', 'expired', 'invalid', 'duplicate', 'unrenderable', 'cancelled'], reason) AS place,
                bitmapAnd(groupBitmapMergeState(d.messages), screened) AS messages
            FROM dispositions AS d
            WHERE d.campaign_id = {campaign_id:String} AND d.type = 'screened'
            GROUP BY reason
        )
    ) AS s
    UNION ALL SELECT 5, 'rejected for good', bitmapCardinality(rejected)
    UNION ALL SELECT 6, 'queued', toUInt64(greatest(0, toInt64(audience) - toInt64(known)))
    UNION ALL SELECT 7, 'overdrawn', toUInt64(greatest(0, toInt64(known) - toInt64(audience)))
)
ORDER BY line, what
