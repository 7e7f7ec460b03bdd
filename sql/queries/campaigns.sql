-- Which campaigns are there, newest first, and how far did each get? Those whose id or name contains `search`.
SELECT
    c.campaign_id AS campaign_id,
    c.name AS name,
    c.channel AS channel,
    c.audience AS audience,
    c.frozen_at AS frozen_at,
    bitmapCardinality(t.sent) AS sent,
    bitmapCardinality(t.delivered) AS delivered,
    bitmapCardinality(t.read) AS read
FROM
(
    SELECT campaign_id, name, channel, audience, frozen_at
    FROM campaigns FINAL
    WHERE positionCaseInsensitiveUTF8(campaign_id, {search:String}) > 0 OR positionCaseInsensitiveUTF8(name, {search:String}) > 0
    ORDER BY frozen_at DESC, campaign_id
    LIMIT {at_most:UInt32} OFFSET {skip:UInt32}
) AS c
LEFT JOIN
(
    SELECT
        campaign_id,
        groupBitmapMergeStateIf(messages, status NOT IN ('rejected', 'unsubscribed', 'resubscribed', 'unknown')) AS sent,
        groupBitmapMergeStateIf(messages, status = 'delivered') AS delivered,
        groupBitmapMergeStateIf(messages, status = 'read') AS read
    FROM totals
    GROUP BY campaign_id
) AS t ON t.campaign_id = c.campaign_id
ORDER BY frozen_at DESC, campaign_id
