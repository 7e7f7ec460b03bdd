-- Cells of `reached` whose messages are not those of status_events. Empty when exact.
SELECT campaign_id, status, retried, bitmapXorCardinality(expected, found) AS messages_wrong
FROM
(
    SELECT campaign_id, status, attempt > 1 AS retried, groupBitmapState(message_key) AS expected
    FROM status_events FINAL
    GROUP BY ALL
) AS e
FULL JOIN
(
    SELECT campaign_id, status, retried, groupBitmapMergeState(messages) AS found
    FROM reached
    GROUP BY ALL
) AS r USING (campaign_id, status, retried)
WHERE messages_wrong > 0
