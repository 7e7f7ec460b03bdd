-- Which channels did each provider carry? Messages sent, by the channel that outbound records name.
WITH
    known AS
    (
        SELECT value, groupBitmapMergeState(messages) AS messages
        FROM splits
        WHERE campaign_id = {campaign_id:String} AND dimension = 'channel'
        GROUP BY value
    ),
    sets AS
    (
        SELECT provider, groupBitmapMergeState(messages) AS messages
        FROM totals
        WHERE campaign_id = {campaign_id:String} AND status = 'accepted'
        GROUP BY provider
    )
SELECT toString(s.provider) AS provider, toString(k.value) AS channel, bitmapAndCardinality(s.messages, k.messages) AS sent
FROM sets AS s CROSS JOIN known AS k
WHERE sent > 0
ORDER BY provider, sent DESC
