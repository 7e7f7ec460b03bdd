-- Cells of `dispositions` whose messages are not those of the outbound records. Empty when exact.
SELECT campaign_id, type, reason, outcome, final, attempt, bitmapXorCardinality(expected, found) AS messages_wrong
FROM
(
    SELECT campaign_id, type, reason, outcome, final, attempt, groupBitmapState(message_key) AS expected
    FROM outbound FINAL
    GROUP BY ALL
) AS e
FULL JOIN
(
    SELECT campaign_id, type, reason, outcome, final, attempt, groupBitmapMergeState(messages) AS found
    FROM dispositions
    GROUP BY ALL
) AS d USING (campaign_id, type, reason, outcome, final, attempt)
WHERE messages_wrong > 0
