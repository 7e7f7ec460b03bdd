-- Keeps the union of all minutes before `until` (s since the epoch), by status.
INSERT INTO closed_sets (campaign_id, status, closed_until, messages, counted_at)
SELECT {campaign_id:String}, status, fromUnixTimestamp({until:Int64}), groupBitmapMergeState(messages), fromUnixTimestamp64Milli({now:Int64}, 'UTC')
FROM minutes
WHERE campaign_id = {campaign_id:String} AND minute < fromUnixTimestamp({until:Int64})
GROUP BY status
