-- What did trying again bring? Messages by whether any attempt behind the first was reported: how many, and how many
-- arrived (delivered, read or clicked).
WITH (
    SELECT
        (
            groupBitmapMergeStateIf(messages, status NOT IN ('rejected', 'unsubscribed', 'resubscribed', 'unknown')),
            groupBitmapMergeStateIf(messages, retried AND status NOT IN ('rejected', 'unsubscribed', 'resubscribed', 'unknown')),
            groupBitmapMergeStateIf(messages, status IN ('delivered', 'read', 'clicked')),
            groupBitmapMergeStateIf(messages, NOT retried AND status IN ('delivered', 'read', 'clicked'))
        )
    FROM reached
    WHERE campaign_id = {campaign_id:String}
) AS sets
SELECT
    bitmapAndnotCardinality(sets.1, sets.2) AS first_sent,
    bitmapAndCardinality(sets.4, bitmapAndnot(sets.1, sets.2)) AS first_arrived,
    bitmapCardinality(sets.2) AS retried_sent,
    bitmapAndCardinality(sets.3, sets.2) AS retried_arrived,
    bitmapAndnotCardinality(sets.3, sets.4) AS arrived_only_by_retry
