-- Which statuses without our ids, in `waits` (a table as waiting) since `since` (ms since the epoch), are of people who
-- were erased? The id must be one of theirs, and the recipient, where both sides name one, too; but an id that no message
-- is left with can be nobody else's.
SELECT DISTINCT w.provider AS provider, w.provider_message_id AS provider_message_id, w.recipient AS recipient,
    status, error_code, raw_status, event_time, received_at
FROM
(
    SELECT
        provider, provider_message_id, recipient, status, error_code, raw_status, event_time, received_at,
        arrayJoin(arrayConcat([(provider_message_id, recipient)], older_hashes)) AS hashes
    FROM {waits:Identifier} FINAL
    WHERE inserted_at >= fromUnixTimestamp64Milli({since:Int64})
) AS w
INNER JOIN erased_ids AS e ON e.provider = w.provider AND e.provider_message_id = w.hashes.1
WHERE w.hashes.2 = '' OR e.recipient = '' OR e.recipient = w.hashes.2
    OR (w.provider, w.hashes.1) NOT IN
    (
        SELECT provider, provider_message_id
        FROM outbound_ids
        WHERE (provider, provider_message_id) IN (SELECT provider, provider_message_id FROM erased_ids)
    )
