-- Within what time did each provider deliver half and 95 % of the messages that it delivered? From a fixed sixteenth of
-- them, as the lower bound of a cell (ms).
SELECT
    toString(r.provider) AS provider,
    max(reached) AS sampled,
    minIf(cell, reached >= 0.50 * total) AS p50_ms,
    minIf(cell, reached >= 0.95 * total) AS p95_ms
FROM
(
    SELECT provider, cell, reached, max(reached) OVER (PARTITION BY provider) AS total
    FROM
    (
        SELECT
            provider,
            cell,
            groupBitmapMerge(messages) OVER (PARTITION BY provider ORDER BY cell ROWS UNBOUNDED PRECEDING) AS reached
        FROM
        (
            SELECT provider, cell, groupBitmapMergeState(messages) AS messages
            FROM provider_latency
            WHERE campaign_id = {campaign_id:String} AND status = 'delivered'
            GROUP BY provider, cell
        )
    )
) AS r
GROUP BY provider
ORDER BY provider
