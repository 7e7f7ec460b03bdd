-- Which campaigns gave a sign of life since `since` (ms since the epoch): a plan, or a second of their sender?
SELECT campaign_id, max(at) AS last_at
FROM
(
    SELECT toString(campaign_id) AS campaign_id, at FROM campaigns
    UNION ALL
    SELECT toString(campaign_id), at FROM progress
)
WHERE at >= fromUnixTimestamp64Milli({since:Int64})
GROUP BY campaign_id
ORDER BY last_at DESC
LIMIT 50
