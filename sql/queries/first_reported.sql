-- When was the first webhook of a campaign received, of those that landed? NULL: none landed.
SELECT minOrNull(received_at) AS received_at
FROM status_events
WHERE campaign_id = {campaign_id:String} AND raw_status NOT IN ('accepted', 'rejected')
