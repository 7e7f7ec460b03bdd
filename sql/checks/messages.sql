-- Messages whose first times, as v_messages reads them, are not those of status_events. Empty when exact.
SELECT campaign_id, message_key, e.times AS expected, m.times AS found
FROM
(
    SELECT
        campaign_id, message_key,
        [
            minOrNullIf(event_time, status = 'accepted'), minOrNullIf(event_time, status = 'rejected'),
            minOrNullIf(event_time, status = 'sent'), minOrNullIf(event_time, status = 'deferred'),
            minOrNullIf(event_time, status = 'delivered'), minOrNullIf(event_time, status = 'read'),
            minOrNullIf(event_time, status = 'clicked'), minOrNullIf(event_time, status = 'failed'),
            minOrNullIf(event_time, status = 'complained'), minOrNullIf(event_time, status = 'unsubscribed')
        ] AS times
    FROM status_events FINAL
    GROUP BY campaign_id, message_key
) AS e
FULL JOIN
(
    SELECT
        campaign_id, message_key,
        [accepted_at, rejected_at, sent_at, deferred_at, delivered_at, read_at, clicked_at, failed_at, complained_at, unsubscribed_at] AS times
    FROM v_messages
) AS m USING (campaign_id, message_key)
WHERE expected != found
LIMIT 1000
