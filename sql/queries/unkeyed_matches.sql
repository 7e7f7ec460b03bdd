-- Outbound records of senders that number nothing, each with its message's key: the one that an earlier record of the
-- same campaign, provider, id and recipient got, else the place of the first that waits here. Earlier records may have
-- been hashed by an older key: the oldest hash that a record has is the same for all that wait.
WITH pending AS
(
    SELECT
        *,
        arrayConcat([(provider_message_id, recipient)], older_hashes) AS hashes,
        min(place) OVER (PARTITION BY campaign_id, provider, hashes[-1]) AS first_place
    FROM unkeyed FINAL
    ORDER BY place
    LIMIT {at_most:UInt32}
)
SELECT
    u.* EXCEPT (pending, place, first_place, hashes, older_hashes),
    u.place AS place,
    if(k.is_known, k.message_key, u.first_place) AS message_key,
    NOT k.is_known AS is_new
FROM pending AS u
LEFT JOIN
(
    SELECT n.place AS place, min(o.message_key) AS message_key, true AS is_known
    FROM (SELECT place, campaign_id, provider, arrayJoin(hashes) AS hash FROM pending) AS n
    INNER JOIN
    (
        SELECT campaign_id, provider, provider_message_id, recipient, message_key
        FROM outbound_ids
        WHERE (provider, provider_message_id) IN (SELECT provider, arrayJoin(hashes).1 FROM pending)
    ) AS o
        ON o.campaign_id = n.campaign_id AND o.provider = n.provider
        AND o.provider_message_id = n.hash.1 AND o.recipient = n.hash.2
    GROUP BY n.place
) AS k ON k.place = u.place
