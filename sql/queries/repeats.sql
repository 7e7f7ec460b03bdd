-- Which providers told things twice since `since` (ms since the epoch), and why?
SELECT
    splitByChar('/', repeat.1)[1] AS provider,
    splitByChar('/', repeat.1)[2] AS cause,
    toUInt64(sum(repeat.2)) AS repeats
FROM flow_stats AS s
ARRAY JOIN arrayZip(mapKeys(s.repeats), mapValues(s.repeats)) AS repeat
WHERE s.at >= fromUnixTimestamp64Milli({since:Int64})
GROUP BY provider, cause
ORDER BY repeats DESC, provider, cause
