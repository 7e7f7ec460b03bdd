-- What senders said of the messages of a campaign, as the status events that it amounts to.
SELECT
    campaign_id, message_key, attempt, toString(type) AS status, error_code, provider, toString(type) AS raw_status,
    at AS event_time, at AS received_at, sent_at
FROM outbound FINAL
WHERE campaign_id = {campaign_id:String} AND type IN ('accepted', 'rejected')
