-- Which messages do the statuses without our ids in `waits` (a table as waiting) belong to? Those that began to wait
-- after `since` and were received after `oldest` (ms since the epoch), and whose provider's id an
-- outbound record names; where one id covers several messages, the recipient must tell which.
WITH
    pending AS
    (
        SELECT provider, provider_message_id, recipient, status, error_code, raw_status, event_time, received_at, older_hashes
        FROM {waits:Identifier} FINAL
        WHERE inserted_at >= fromUnixTimestamp64Milli({since:Int64}) AND received_at >= fromUnixTimestamp64Milli({oldest:Int64})
    ),
    named AS
    (
        SELECT
            * EXCEPT (older_hashes),
            arrayJoin(arrayConcat([(provider_message_id, recipient)], older_hashes)) AS hashes
        FROM pending
    ),
    candidates AS
    (
        SELECT
            n.provider AS provider, n.provider_message_id AS provider_message_id, n.recipient AS recipient,
            status, error_code, raw_status, event_time, received_at,
            groupUniqArray((o.recipient != n.hashes.2, o.campaign_id, o.message_key, o.attempt, o.sent_at)) AS found
        FROM named AS n
        INNER JOIN
        (
            SELECT provider, provider_message_id, recipient, campaign_id, message_key, attempt, sent_at
            FROM outbound_ids
            WHERE (provider, provider_message_id) IN (SELECT provider, hashes.1 FROM named)
        ) AS o ON o.provider = n.provider AND o.provider_message_id = n.hashes.1
        GROUP BY ALL
    ),
    chosen AS
    (
        SELECT * EXCEPT (found), arraySort(if(found_here = [], found, found_here)) AS messages
        FROM (SELECT *, arrayFilter(message -> NOT message.1, found) AS found_here FROM candidates)
    )
SELECT
    provider, provider_message_id, recipient, status, error_code, raw_status, event_time, received_at,
    messages[1].2 AS campaign_id, messages[1].3 AS message_key, messages[1].4 AS attempt, messages[1].5 AS sent_at
FROM chosen
WHERE length(arrayDistinct(arrayMap(message -> (message.2, message.3), messages))) = 1
LIMIT {at_most:UInt32}
