-- Which messages of the campaign went to the recipient, whose hash by each kept key is one of `hashes` (hex)?
SELECT DISTINCT message_key
FROM outbound
WHERE campaign_id = {campaign_id:String} AND recipient IN (SELECT unhex(arrayJoin({hashes:Array(String)})))
ORDER BY message_key
LIMIT 100
