-- When since `since` (ms since the epoch) did a flow come back from silence, share its work among more or fewer processes, or
-- have to try an insert again? In steps of `step_ms`.
SELECT
    toString(flow) AS flow,
    step,
    toInt64(greatest(0, quiet)) AS quiet_ms,
    slices,
    slices_before,
    retries
FROM
(
    SELECT
        flow,
        step,
        slices,
        retries,
        lagInFrame(retries, 1, retries) OVER (PARTITION BY flow ORDER BY step) AS retries_before,
        lagInFrame(slices, 1, slices) OVER (PARTITION BY flow ORDER BY step) AS slices_before,
        dateDiff('millisecond', lagInFrame(step, 1, step) OVER (PARTITION BY flow ORDER BY step), step) - {step_ms:Int64} AS quiet
    FROM
    (
        SELECT
            flow,
            fromUnixTimestamp64Milli(intDiv(toUnixTimestamp64Milli(f.at), {step_ms:Int64}) * {step_ms:Int64}, 'UTC') AS step,
            toUInt64(max(toUInt64OrZero(splitByString('-of-', toString(f.slice))[2]))) AS slices,
            toUInt64(sum(f.retries)) AS retries
        FROM flow_stats AS f
        WHERE f.at >= fromUnixTimestamp64Milli({since:Int64})
        GROUP BY flow, step
    )
)
WHERE quiet >= 10000 OR slices != slices_before OR (retries > 0 AND retries_before = 0)
ORDER BY step DESC
LIMIT 40
