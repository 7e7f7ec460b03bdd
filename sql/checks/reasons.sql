-- Reasons of failure whose messages are not those of status_events. Empty when exact.
SELECT campaign_id, provider, error_code, bitmapXorCardinality(expected, found) AS messages_wrong
FROM
(
    SELECT campaign_id, provider, error_code, groupBitmapState(message_key) AS expected
    FROM status_events FINAL
    WHERE status = 'failed'
    GROUP BY ALL
) AS e
FULL JOIN
(
    SELECT campaign_id, provider, error_code, groupBitmapMergeState(messages) AS found
    FROM reasons
    GROUP BY ALL
) AS r USING (campaign_id, provider, error_code)
WHERE messages_wrong > 0
