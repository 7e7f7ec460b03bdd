-- Status events, as they stand, of those messages of a campaign whose recipient was erased: they can't be told again.
SELECT campaign_id, message_key, attempt, status, error_code, provider, raw_status, event_time, received_at, sent_at
FROM status_events
WHERE campaign_id = {campaign_id:String}
    AND message_key IN (SELECT message_key FROM erased_messages WHERE campaign_id = {campaign_id:String})
