-- How far did the messages of each provider get, as it reported? A message tried at two providers counts at both, and once
-- in the row of the empty provider, which stands for all together.
SELECT
    toString(provider) AS provider,
    bitmapCardinality(sets.1) AS sent,
    bitmapCardinality(sets.2) AS delivered,
    bitmapCardinality(sets.3) AS read,
    bitmapCardinality(sets.4) AS clicked,
    bitmapAndnotCardinality(sets.5, bitmapOr(sets.2, bitmapOr(sets.3, sets.4))) AS failed
FROM
(
    SELECT
        provider,
        grouping(provider) AS is_all,
        (
            groupBitmapMergeStateIf(messages, status NOT IN ('rejected', 'unsubscribed', 'resubscribed', 'unknown')),
            groupBitmapMergeStateIf(messages, status = 'delivered'),
            groupBitmapMergeStateIf(messages, status = 'read'),
            groupBitmapMergeStateIf(messages, status = 'clicked'),
            groupBitmapMergeStateIf(messages, status = 'failed')
        ) AS sets
    FROM totals
    WHERE campaign_id = {campaign_id:String}
    GROUP BY ROLLUP(provider)
)
WHERE is_all OR (provider != '' AND sent > 0)
ORDER BY is_all, sent DESC, provider
