-- Which campaigns have so many messages, `large` or more, that they are counted before anybody asks? Newest first.
SELECT toString(r.campaign_id) AS campaign_id, r.sent AS sent
FROM
(
    SELECT campaign_id, groupBitmapMerge(messages) AS sent
    FROM stages
    WHERE stage = 'sent'
    GROUP BY campaign_id
    HAVING sent >= {large:UInt64}
) AS r
LEFT JOIN (SELECT campaign_id, frozen_at FROM campaigns FINAL) AS c ON c.campaign_id = r.campaign_id
ORDER BY c.frozen_at DESC, campaign_id
