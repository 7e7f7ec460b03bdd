-- Which messages went to a person, by the hashes (hex) of how their address may be spelled, by all kept keys?
SELECT DISTINCT campaign_id, message_key
FROM
(
    SELECT campaign_id, message_key FROM outbound
    WHERE recipient IN (SELECT unhex(arrayJoin({hashes:Array(String)})))
    UNION ALL
    SELECT campaign_id, message_key FROM outbound_ids
    WHERE recipient IN (SELECT unhex(arrayJoin({hashes:Array(String)})))
)
