-- How far did the messages of each channel, sender, template or country (`dimension`) get? What a message is, outbound
-- records say; messages without one are 'unknown'.
WITH
    (
        SELECT
            (
                groupBitmapMergeStateIf(messages, stage = 'sent'),
                groupBitmapMergeStateIf(messages, stage = 'delivered'),
                groupBitmapMergeStateIf(messages, stage = 'read'),
                groupBitmapMergeStateIf(messages, stage = 'clicked'),
                bitmapAndnot(
                    groupBitmapMergeStateIf(messages, stage = 'failed'),
                    groupBitmapMergeStateIf(messages, stage = 'arrived'))
            )
        FROM stages
        WHERE campaign_id = {campaign_id:String}
            AND stage IN ('sent', 'delivered', 'read', 'clicked', 'failed', 'arrived')
    ) AS reached,
    known AS
    (
        SELECT value, groupBitmapMergeState(messages) AS messages
        FROM splits
        WHERE campaign_id = {campaign_id:String} AND dimension = {dimension:String}
        GROUP BY value
    ),
    (SELECT groupBitmapMergeState(messages) FROM known) AS all_known
SELECT
    value,
    bitmapAndCardinality(reached.1, messages) AS sent,
    bitmapAndCardinality(reached.2, messages) AS delivered,
    bitmapAndCardinality(reached.3, messages) AS read,
    bitmapAndCardinality(reached.4, messages) AS clicked,
    bitmapAndCardinality(reached.5, messages) AS failed
FROM
(
    SELECT value, messages FROM known
    UNION ALL
    SELECT 'unknown' AS value, bitmapAndnot(reached.1, all_known) AS messages
)
WHERE sent > 0
ORDER BY sent DESC, value
