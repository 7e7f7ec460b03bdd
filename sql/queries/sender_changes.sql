-- When since `since` (ms since the epoch) did what a sender was allowed, or what stopped it, change? The last forty.
SELECT toString(campaign_id) AS campaign_id, at, allowed_per_s, allowed_before, stopped_by, stopped_before
FROM
(
    SELECT
        campaign_id,
        at,
        allowed_per_s,
        if(match(slower_because, '^(paused|killed|cancelled|breaker open)'), toString(slower_because), '') AS stopped_by,
        lagInFrame(p.allowed_per_s, 1, p.allowed_per_s) OVER (PARTITION BY campaign_id ORDER BY at) AS allowed_before,
        lagInFrame(stopped_by, 1, stopped_by) OVER (PARTITION BY campaign_id ORDER BY at) AS stopped_before
    FROM progress AS p
    WHERE at >= fromUnixTimestamp64Milli({since:Int64})
)
WHERE allowed_per_s != allowed_before OR stopped_by != stopped_before
ORDER BY at DESC
LIMIT 40
