-- The next `at_most` messages of the campaign behind `after` and up to `until`, by key: when each first reached each status.
-- An empty `state` or `reached` chooses none. By `reached` they are those that the figure of that name in funnel counts.
SELECT
    message_key, toString(state) AS state, accepted_at, rejected_at, sent_at, deferred_at, delivered_at, read_at, clicked_at,
    failed_at, complained_at, unsubscribed_at
FROM v_messages
WHERE campaign_id = {campaign_id:String} AND message_key > {after:Int64} AND message_key <= {until:Int64}
    AND ({state:String} = '' OR state = {state:String})
    AND multiIf(
        {reached:String} = 'sent', state NOT IN ('rejected', 'other'),
        {reached:String} = 'delivered', isNotNull(delivered_at),
        {reached:String} = 'read', isNotNull(read_at),
        {reached:String} = 'clicked', isNotNull(clicked_at),
        {reached:String} = 'failed', state = 'failed',
        1)
ORDER BY message_key
LIMIT {at_most:UInt32}
SETTINGS optimize_aggregation_in_order = 1, max_threads = 1
