-- Stages whose messages are not those of status_events. Empty when exact.
SELECT campaign_id, stage, bitmapXorCardinality(expected, found) AS messages_wrong
FROM
(
    SELECT campaign_id, stage, groupBitmapState(message_key) AS expected
    FROM
    (
        SELECT
            campaign_id,
            message_key,
            attempt > 1 AS retried,
            status NOT IN ('rejected', 'unsubscribed', 'resubscribed', 'unknown') AS is_sent,
            status IN ('delivered', 'read', 'clicked') AS is_arrived,
            arrayConcat(
                is_sent ? ['sent'] : [],
                is_arrived ? ['arrived'] : [],
                is_arrived OR status IN ('failed', 'rejected', 'complained', 'unsubscribed') ? [toString(status)] : [],
                retried ? ['retried'] : [],
                retried AND is_sent ? ['sent_again'] : [],
                NOT retried AND is_arrived ? ['arrived_first'] : []) AS reached
        FROM status_events FINAL
    )
    ARRAY JOIN reached AS stage
    GROUP BY campaign_id, stage
) AS e
FULL JOIN
(
    SELECT campaign_id, toString(stage) AS stage, groupBitmapMergeState(messages) AS found
    FROM stages
    GROUP BY campaign_id, stage
) AS s USING (campaign_id, stage)
WHERE messages_wrong > 0
