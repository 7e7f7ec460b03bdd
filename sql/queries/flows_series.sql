-- How did the lanes do in each step of `step_ms` since `since` (ms since the epoch)?
SELECT
    toString(flow) AS flow,
    toString(lane) AS lane,
    fromUnixTimestamp64Milli(intDiv(toUnixTimestamp64Milli(s.at), {step_ms:Int64}) * {step_ms:Int64}, 'UTC') AS step,
    toUInt64(sum(s.events)) AS events,
    toUInt64(max(s.lag)) AS lag,
    max(s.lag_ms) AS lag_ms,
    max(s.batch_age_ms) AS batch_age_ms,
    toUInt64(sum(s.batches)) AS batches,
    sum(s.insert_ms) AS insert_ms,
    max(s.insert_ms / greatest(1, s.batches)) AS slowest_insert_ms,
    toUInt64(sum(arraySum(mapValues(s.dead_letters)))) AS dead_letters
FROM flow_stats AS s
WHERE s.at >= fromUnixTimestamp64Milli({since:Int64})
GROUP BY flow, lane, step
ORDER BY step, flow, lane
