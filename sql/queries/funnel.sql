-- How many messages of the campaign got how far? `sent` is the cohort that all rates are measured against.
WITH (
    SELECT
        (
            groupBitmapMergeStateIf(messages, status NOT IN ('rejected', 'unsubscribed', 'resubscribed', 'unknown')),
            groupBitmapMergeStateIf(messages, status = 'delivered'),
            groupBitmapMergeStateIf(messages, status = 'read'),
            groupBitmapMergeStateIf(messages, status = 'clicked'),
            groupBitmapMergeStateIf(messages, status = 'failed'),
            groupBitmapMergeStateIf(messages, status = 'rejected'),
            groupBitmapMergeStateIf(messages, status = 'complained'),
            groupBitmapMergeStateIf(messages, status = 'unsubscribed'),
            groupBitmapMergeStateIf(messages, retried)
        )
    FROM reached
    WHERE campaign_id = {campaign_id:String}
) AS sets
SELECT
    bitmapCardinality(sets.1) AS sent,
    bitmapCardinality(sets.2) AS delivered,
    bitmapAndnotCardinality(bitmapOr(sets.3, sets.4), sets.2) AS delivered_inferred,
    bitmapCardinality(sets.3) AS read,
    bitmapCardinality(sets.4) AS clicked,
    bitmapAndnotCardinality(sets.5, bitmapOr(sets.2, bitmapOr(sets.3, sets.4))) AS failed,
    bitmapCardinality(sets.5) AS failed_ever,
    bitmapAndnotCardinality(sets.6, sets.1) AS rejected,
    bitmapCardinality(sets.7) AS complained,
    bitmapCardinality(sets.8) AS unsubscribed,
    bitmapCardinality(sets.9) AS retried
