-- How late was each lane when it last said so, and how long ago was that?
SELECT
    flow, lane, slice,
    argMax(lag, f.at) AS offsets,
    argMax(lag_ms, f.at) / 1000 AS lag_s,
    greatest(0, dateDiff('millisecond', max(f.at), now64(3))) / 1000 AS silent_s
FROM flow_stats AS f
WHERE f.at > now64(3) - INTERVAL 1 DAY
GROUP BY flow, lane, slice
ORDER BY flow, lane, slice
