-- The next `at_most` messages of the campaign behind `after`, by key: when each first reached each status. `state` and
-- `error_code` choose (empty: all).
SELECT
    message_key, toString(state) AS state, accepted_at, rejected_at, sent_at, deferred_at, delivered_at, read_at, clicked_at,
    failed_at, complained_at, unsubscribed_at
FROM v_messages
WHERE campaign_id = {campaign_id:String} AND message_key > {after:Int64}
    AND ({state:String} = '' OR state = {state:String})
    AND ({error_code:String} = '' OR message_key IN (
        SELECT message_key
        FROM status_events
        WHERE campaign_id = {campaign_id:String} AND status = 'failed' AND error_code = {error_code:String}))
ORDER BY message_key
LIMIT {at_most:UInt32}
SETTINGS optimize_aggregation_in_order = 1, max_threads = 1
