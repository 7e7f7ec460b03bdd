-- Latency cells whose figure, as the query latency reads it, is not the number of messages whose smallest time to the
-- status falls in that cell. Empty when exact.
SELECT campaign_id, status, cell, expected, found
FROM
(
    SELECT campaign_id, status, cell, count() AS expected
    FROM
    (
        SELECT campaign_id, status, message_key, min(latency_cell) AS cell
        FROM status_events FINAL
        WHERE sent_at IS NOT NULL
        GROUP BY campaign_id, status, message_key
    )
    GROUP BY campaign_id, status, cell
) AS e
FULL JOIN
(
    SELECT
        campaign_id, status, cell,
        reached - lagInFrame(reached, 1, 0) OVER (PARTITION BY campaign_id, status ORDER BY cell) AS found
    FROM
    (
        SELECT
            campaign_id, status, cell,
            groupBitmapMerge(messages) OVER (PARTITION BY campaign_id, status ORDER BY cell ROWS UNBOUNDED PRECEDING) AS reached
        FROM
        (
            SELECT campaign_id, status, cell, groupBitmapMergeState(messages) AS messages
            FROM latency
            GROUP BY campaign_id, status, cell
        )
    )
) AS l USING (campaign_id, status, cell)
WHERE expected != found
