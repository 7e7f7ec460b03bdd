-- What did trying again bring? Messages by whether any attempt behind the first was reported: how many, and how many
-- arrived (delivered, read or clicked).
WITH (
    SELECT
        (
            groupBitmapMergeStateIf(messages, stage = 'sent'),
            groupBitmapMergeStateIf(messages, stage = 'sent_again'),
            groupBitmapMergeStateIf(messages, stage = 'arrived'),
            groupBitmapMergeStateIf(messages, stage = 'arrived_first')
        )
    FROM stages
    WHERE campaign_id = {campaign_id:String} AND stage IN ('sent', 'sent_again', 'arrived', 'arrived_first')
) AS sets
SELECT
    bitmapAndnotCardinality(sets.1, sets.2) AS first_sent,
    bitmapAndnotCardinality(sets.4, sets.2) AS first_arrived,
    bitmapCardinality(sets.2) AS retried_sent,
    bitmapAndCardinality(sets.2, sets.3) AS retried_arrived,
    bitmapAndnotCardinality(sets.3, sets.4) AS arrived_only_by_retry
