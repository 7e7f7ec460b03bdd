-- Which campaigns are there, newest first, and how far did each get? Those whose id or name contains `search`.
WITH chosen AS
(
    SELECT toString(campaign_id) AS campaign_id, name, toString(channel) AS channel, audience, frozen_at
    FROM campaigns FINAL
    WHERE positionCaseInsensitiveUTF8(campaign_id, {search:String}) > 0 OR positionCaseInsensitiveUTF8(name, {search:String}) > 0
    ORDER BY frozen_at DESC, campaign_id
    LIMIT {at_most:UInt32} OFFSET {skip:UInt32}
)
SELECT
    c.campaign_id AS campaign_id,
    c.name AS name,
    c.channel AS channel,
    c.audience AS audience,
    c.frozen_at AS frozen_at,
    t.sent AS sent,
    t.delivered AS delivered,
    t.read AS read,
    t.clicked AS clicked,
    t.failed AS failed,
    p.last_at AS last_at,
    p.queue AS queue,
    p.in_flight AS in_flight,
    p.slower_because AS slower_because
FROM chosen AS c
LEFT JOIN
(
    SELECT
        toString(campaign_id) AS campaign_id,
        groupBitmapMergeIf(messages, stage = 'sent') AS sent,
        groupBitmapMergeIf(messages, stage = 'delivered') AS delivered,
        groupBitmapMergeIf(messages, stage = 'read') AS read,
        groupBitmapMergeIf(messages, stage = 'clicked') AS clicked,
        bitmapAndnotCardinality(
            groupBitmapMergeStateIf(messages, stage = 'failed'),
            groupBitmapMergeStateIf(messages, stage = 'arrived')) AS failed
    FROM stages
    WHERE stage IN ('sent', 'delivered', 'read', 'clicked', 'failed', 'arrived')
        AND campaign_id IN (SELECT campaign_id FROM chosen)
    GROUP BY campaign_id
) AS t ON t.campaign_id = c.campaign_id
LEFT JOIN
(
    SELECT
        toString(campaign_id) AS campaign_id,
        maxOrNull(g.at) AS last_at,
        argMax(g.queue, g.at) AS queue,
        argMax(g.in_flight, g.at) AS in_flight,
        toString(argMax(g.slower_because, g.at)) AS slower_because
    FROM progress AS g
    WHERE campaign_id IN (SELECT campaign_id FROM chosen)
    GROUP BY campaign_id
) AS p ON p.campaign_id = c.campaign_id
ORDER BY frozen_at DESC, campaign_id
