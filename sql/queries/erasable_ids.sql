-- Which ids did providers give the messages of `erased_messages`, and to whom, while that still stands? Hashes in hex.
SELECT DISTINCT provider, hex(id) AS provider_message_id, hex(person) AS recipient
FROM
(
    SELECT provider, provider_message_id AS id, recipient AS person FROM outbound
    WHERE (campaign_id, message_key) IN (SELECT campaign_id, message_key FROM erased_messages) AND provider_message_id != ''
    UNION ALL
    SELECT provider, toString(provider_message_id), recipient FROM outbound_ids
    WHERE (campaign_id, message_key) IN (SELECT campaign_id, message_key FROM erased_messages)
)
