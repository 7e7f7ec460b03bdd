-- Which campaigns of the same channel were planned before this one? The last `at_most` with anything sent.
SELECT toString(campaign_id) AS campaign_id, name, frozen_at
FROM campaigns FINAL
WHERE channel = {channel:String} AND campaign_id != {campaign_id:String}
    AND frozen_at < fromUnixTimestamp64Milli({before:Int64})
    AND campaign_id IN (SELECT campaign_id FROM totals WHERE status = 'accepted')
ORDER BY frozen_at DESC
LIMIT {at_most:UInt32}
