-- How many messages failed for which reason? As failures has it, without those of them that are lost, which takes four
-- times as long: what the live page asks.
SELECT provider, error_code, groupBitmapMerge(r.messages) AS messages
FROM reasons AS r
WHERE campaign_id = {campaign_id:String}
GROUP BY provider, error_code
ORDER BY messages DESC, provider, error_code
