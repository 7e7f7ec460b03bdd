-- Minutes whose figure, as the query timeline reads it, is not the number of messages that first reached the status in
-- that minute. Empty when exact.
SELECT campaign_id, status, minute, expected, found
FROM
(
    SELECT campaign_id, status, toStartOfMinute(first_at) AS minute, count() AS expected
    FROM
    (
        SELECT campaign_id, status, message_key, min(event_time) AS first_at
        FROM status_events FINAL
        GROUP BY campaign_id, status, message_key
    )
    GROUP BY campaign_id, status, minute
) AS e
FULL JOIN
(
    SELECT
        campaign_id, status, minute,
        reached - lagInFrame(reached, 1, 0) OVER (PARTITION BY campaign_id, status ORDER BY minute) AS found
    FROM
    (
        SELECT
            campaign_id, status, minute,
            groupBitmapMerge(messages) OVER (PARTITION BY campaign_id, status ORDER BY minute ROWS UNBOUNDED PRECEDING) AS reached
        FROM
        (
            SELECT campaign_id, status, minute, groupBitmapMergeState(messages) AS messages
            FROM minutes
            GROUP BY campaign_id, status, minute
        )
    )
) AS t USING (campaign_id, status, minute)
WHERE expected != found
