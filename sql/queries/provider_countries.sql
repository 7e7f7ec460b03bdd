-- How many messages did each provider take for each country, as outbound records name it? What the cost by provider is made of.
WITH
    known AS
    (
        SELECT value, groupBitmapMergeState(messages) AS messages
        FROM splits
        WHERE campaign_id = {campaign_id:String} AND dimension = 'country'
        GROUP BY value
    ),
    sets AS
    (
        SELECT provider, groupBitmapMergeState(messages) AS messages
        FROM totals
        WHERE campaign_id = {campaign_id:String} AND provider != ''
            AND status NOT IN ('rejected', 'unsubscribed', 'resubscribed', 'unknown')
        GROUP BY provider
    )
SELECT provider, country, sent
FROM
(
    SELECT toString(s.provider) AS provider, toString(k.value) AS country, bitmapAndCardinality(s.messages, k.messages) AS sent
    FROM sets AS s CROSS JOIN known AS k
    WHERE sent > 0
    UNION ALL
    SELECT toString(s.provider) AS provider, 'unknown' AS country, bitmapAndnotCardinality(s.messages, k.messages) AS sent
    FROM sets AS s CROSS JOIN (SELECT groupBitmapMergeState(messages) AS messages FROM known) AS k
    WHERE sent > 0
)
ORDER BY provider, sent DESC, country
