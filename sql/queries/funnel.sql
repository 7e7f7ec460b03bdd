-- How many messages of the campaign got how far? `sent` is the cohort that all rates are measured against.
SELECT
    bitmapCardinality(sent_set) AS sent,
    delivered,
    bitmapCardinality(arrived_set) - delivered AS delivered_inferred,
    read,
    clicked,
    bitmapAndnotCardinality(failed_set, arrived_set) AS failed,
    bitmapCardinality(failed_set) AS failed_ever,
    bitmapAndnotCardinality(rejected_set, sent_set) AS rejected,
    complained,
    unsubscribed,
    retried
FROM
(
    SELECT
        groupBitmapMergeStateIf(messages, stage = 'sent') AS sent_set,
        groupBitmapMergeStateIf(messages, stage = 'arrived') AS arrived_set,
        groupBitmapMergeStateIf(messages, stage = 'failed') AS failed_set,
        groupBitmapMergeStateIf(messages, stage = 'rejected') AS rejected_set,
        groupBitmapMergeIf(messages, stage = 'delivered') AS delivered,
        groupBitmapMergeIf(messages, stage = 'read') AS read,
        groupBitmapMergeIf(messages, stage = 'clicked') AS clicked,
        groupBitmapMergeIf(messages, stage = 'complained') AS complained,
        groupBitmapMergeIf(messages, stage = 'unsubscribed') AS unsubscribed,
        groupBitmapMergeIf(messages, stage = 'retried') AS retried
    FROM stages
    WHERE campaign_id = {campaign_id:String} AND stage NOT IN ('sent_again', 'arrived_first')
)
-- A set is a granule of some megabytes, few enough that one thread would read them all.
SETTINGS merge_tree_min_rows_for_concurrent_read = 1, merge_tree_min_bytes_for_concurrent_read = 1
