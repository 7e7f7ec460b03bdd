-- Cells of `provider_latency`, read as the query of that name does, that do not hold the fixed sixteenth of the messages
-- whose smallest time to the status by that provider falls in them. Empty when exact.
SELECT campaign_id, status, provider, cell, expected, found
FROM
(
    SELECT campaign_id, status, provider, cell, count() AS expected
    FROM
    (
        SELECT campaign_id, status, provider, message_key, min(latency_cell) AS cell
        FROM status_events FINAL
        WHERE sent_at IS NOT NULL AND intHash32(message_key) % 16 = 0
        GROUP BY campaign_id, status, provider, message_key
    )
    GROUP BY campaign_id, status, provider, cell
) AS e
FULL JOIN
(
    SELECT
        campaign_id, status, provider, cell,
        reached - lagInFrame(reached, 1, 0) OVER (PARTITION BY campaign_id, status, provider ORDER BY cell) AS found
    FROM
    (
        SELECT
            campaign_id, status, provider, cell,
            groupBitmapMerge(messages) OVER (PARTITION BY campaign_id, status, provider ORDER BY cell ROWS UNBOUNDED PRECEDING) AS reached
        FROM
        (
            SELECT campaign_id, status, provider, cell, groupBitmapMergeState(messages) AS messages
            FROM provider_latency
            GROUP BY campaign_id, status, provider, cell
        )
    )
) AS l USING (campaign_id, status, provider, cell)
WHERE expected != found
