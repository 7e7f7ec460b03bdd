-- What did the sender say of each of its seconds since `since` (ms since the epoch)?
SELECT
    at,
    allowed_per_s,
    achieved_per_s,
    toString(slower_because) AS slower_because,
    queue,
    in_flight
FROM progress FINAL
WHERE campaign_id = {campaign_id:String} AND at >= fromUnixTimestamp64Milli({since:Int64})
ORDER BY at
