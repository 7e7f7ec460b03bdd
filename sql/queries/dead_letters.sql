-- What could not be used since `since` (ms since the epoch), by flow and reason?
SELECT
    toString(flow) AS flow,
    letter.1 AS reason,
    toUInt64(sum(letter.2)) AS letters,
    min(s.at) AS first_at,
    max(s.at) AS last_at,
    groupArray([toUnixTimestamp64Milli(s.at), toInt64(letter.2)]) AS moments
FROM (SELECT * FROM flow_stats WHERE at >= fromUnixTimestamp64Milli({since:Int64}) ORDER BY at) AS s
ARRAY JOIN arrayZip(mapKeys(s.dead_letters), mapValues(s.dead_letters)) AS letter
GROUP BY flow, reason
ORDER BY letters DESC, flow, reason
LIMIT 100
