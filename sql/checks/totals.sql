-- Cells of `totals` whose messages are not those of status_events. Empty when exact.
SELECT
    campaign_id, status, provider, error_code, retried,
    bitmapCardinality(expected) AS messages_expected,
    bitmapCardinality(found) AS messages_found,
    bitmapXorCardinality(expected, found) AS messages_wrong
FROM
(
    SELECT campaign_id, status, provider, error_code, attempt > 1 AS retried, groupBitmapState(message_key) AS expected
    FROM status_events FINAL
    GROUP BY ALL
) AS e
FULL JOIN
(
    SELECT campaign_id, status, provider, error_code, retried, groupBitmapMergeState(messages) AS found
    FROM totals
    GROUP BY ALL
) AS t USING (campaign_id, status, provider, error_code, retried)
WHERE messages_wrong > 0
