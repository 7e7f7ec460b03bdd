-- Which statuses that began to wait after `since` (ms since the epoch) are copies of some that no longer wait?
SELECT provider, provider_message_id, recipient, status, error_code, raw_status, event_time, received_at
FROM waiting FINAL
WHERE pending = 1
    AND inserted_at >= fromUnixTimestamp64Milli({since:Int64})
    AND (provider, provider_message_id, recipient, status, error_code, raw_status, event_time) IN
    (
        SELECT provider, provider_message_id, recipient, status, error_code, raw_status, event_time
        FROM waiting
        WHERE pending = -1 AND inserted_at >= fromUnixTimestamp64Milli({since:Int64})
    )
LIMIT {at_most:UInt32}
