-- Which campaigns have so many messages, `large` or more, that their minutes are counted before anybody asks?
SELECT toString(campaign_id) AS campaign_id, groupBitmapMergeIf(messages, status = 'accepted') AS accepted
FROM reached
GROUP BY campaign_id
HAVING accepted >= {large:UInt64}
ORDER BY campaign_id
