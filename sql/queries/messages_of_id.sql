-- Which messages of the campaign did a provider give the id, whose hash by each kept key is one of `hashes` (hex)?
SELECT DISTINCT message_key
FROM outbound_ids
WHERE campaign_id = {campaign_id:String}
    AND provider IN (SELECT DISTINCT provider FROM totals WHERE campaign_id = {campaign_id:String})
    AND provider_message_id IN (SELECT toFixedString(unhex(arrayJoin({hashes:Array(String)})), 16))
ORDER BY message_key
LIMIT 100
