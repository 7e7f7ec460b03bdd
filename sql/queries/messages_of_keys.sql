-- When did each of these messages first reach each status? Those that no provider reported on are left out.
SELECT
    message_key, toString(state) AS state, accepted_at, rejected_at, sent_at, deferred_at, delivered_at, read_at, clicked_at,
    failed_at, complained_at, unsubscribed_at
FROM v_messages
WHERE campaign_id = {campaign_id:String} AND message_key IN (SELECT arrayJoin({keys:Array(UInt64)}))
ORDER BY message_key
SETTINGS optimize_aggregation_in_order = 1, max_threads = 1
