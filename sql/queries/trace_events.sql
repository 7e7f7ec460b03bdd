-- What was reported of a message? Every distinct report, the earliest time of each.
SELECT
    attempt, toString(status) AS status, toString(error_code) AS error_code, toString(provider) AS provider,
    toString(raw_status) AS raw_status, event_time, received_at, sent_at
FROM v_events
WHERE campaign_id = {campaign_id:String} AND message_key = {message_key:UInt64}
ORDER BY event_time, attempt, status
LIMIT 1000
