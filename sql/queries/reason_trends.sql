-- How did the failures by reason grow since `since` (ms since the epoch)? The last reading of each `step_ms`.
SELECT
    fromUnixTimestamp64Milli(intDiv(toUnixTimestamp64Milli(p.at), {step_ms:Int64}) * {step_ms:Int64}, 'UTC') AS step,
    told.1 AS reason,
    argMax(told.2, p.at) AS messages
FROM pulse AS p
ARRAY JOIN arrayZip(mapKeys(reasons), mapValues(reasons)) AS told
WHERE campaign_id = {campaign_id:String} AND provider = '' AND p.at >= fromUnixTimestamp64Milli({since:Int64})
GROUP BY step, reason
ORDER BY reason, step
