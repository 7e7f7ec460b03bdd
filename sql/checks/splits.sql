-- Values of `splits` whose messages are not those that outbound records gave it. Empty when exact.
SELECT campaign_id, dimension, value, bitmapXorCardinality(expected, found) AS messages_wrong
FROM
(
    SELECT campaign_id, split.1 AS dimension, split.2 AS value, groupBitmapState(message_key) AS expected
    FROM (SELECT * FROM outbound FINAL)
    ARRAY JOIN [('channel', channel), ('sender', sender), ('template', template), ('country', country)] AS split
    WHERE value != ''
    GROUP BY ALL
) AS e
FULL JOIN
(
    SELECT campaign_id, toString(dimension) AS dimension, value, groupBitmapMergeState(messages) AS found
    FROM splits
    GROUP BY ALL
) AS s USING (campaign_id, dimension, value)
WHERE messages_wrong > 0
