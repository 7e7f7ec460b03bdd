-- Outbound records of senders that number nothing, each with its message's key: the one that an earlier record of the
-- same campaign, provider, id and recipient got, else the place of the first that waits here.
SELECT
    u.* EXCEPT (pending, place, first_place),
    u.place AS place,
    if(k.is_known, k.message_key, u.first_place) AS message_key,
    NOT k.is_known AS is_new
FROM
(
    SELECT *, min(place) OVER (PARTITION BY campaign_id, provider, provider_message_id, recipient) AS first_place
    FROM unkeyed FINAL
    ORDER BY place
    LIMIT {at_most:UInt32}
) AS u
LEFT JOIN
(
    SELECT campaign_id, provider, provider_message_id, recipient, min(message_key) AS message_key, true AS is_known
    FROM outbound_ids
    WHERE (provider, provider_message_id) IN (SELECT provider, provider_message_id FROM unkeyed)
    GROUP BY campaign_id, provider, provider_message_id, recipient
) AS k
    ON k.campaign_id = u.campaign_id AND k.provider = u.provider
    AND k.provider_message_id = u.provider_message_id AND k.recipient = u.recipient
