-- How fresh are the figures? When the flows last told of themselves, and how far the slowest lane is behind.
SELECT max(s.at) AS flows_at, max(s.lag_ms) AS lag_ms
FROM (SELECT at, lag_ms FROM flow_stats WHERE at >= fromUnixTimestamp64Milli({since:Int64})) AS s
HAVING count() > 0
