-- How do the lanes stand? The last second that each told of since `since` (ms since the epoch), and its sums since then.
SELECT
    toString(flow) AS flow,
    toString(lane) AS lane,
    max(f.at) AS last_at,
    toUInt64(sum(last_lag)) AS lag,
    max(last_lag_ms) AS lag_ms,
    toUInt64(sum(f.events)) AS events,
    toUInt64(sum(f.rows)) AS rows,
    toUInt64(sum(f.waiting)) AS waiting,
    toUInt64(sum(f.matched)) AS matched,
    toUInt64(sum(f.dropped)) AS dropped,
    toUInt64(sum(f.dead)) AS dead_letters,
    toUInt64(sum(f.batches)) AS batches,
    toUInt64(sum(f.batch_rows)) AS batch_rows,
    sum(f.insert_ms) AS insert_ms,
    max(f.batch_age_ms) AS batch_age_ms,
    toUInt64(sum(f.retries)) AS retries,
    toUInt64(max(f.window_bytes)) AS window_bytes
FROM
(
    SELECT
        flow, lane, slice, max(s.at) AS at, argMax(s.lag, s.at) AS last_lag, argMax(s.lag_ms, s.at) AS last_lag_ms,
        sum(s.events) AS events, sum(s.rows) AS rows, sum(s.waiting) AS waiting, sum(s.matched) AS matched,
        sum(s.dropped) AS dropped, sum(arraySum(mapValues(s.dead_letters))) AS dead, sum(s.batches) AS batches,
        sum(s.batch_rows) AS batch_rows, sum(s.insert_ms) AS insert_ms, max(s.batch_age_ms) AS batch_age_ms,
        sum(s.retries) AS retries, max(s.window_bytes) AS window_bytes
    FROM flow_stats AS s
    WHERE s.at >= fromUnixTimestamp64Milli({since:Int64})
    GROUP BY flow, lane, slice
) AS f
GROUP BY flow, lane
ORDER BY flow, lane
