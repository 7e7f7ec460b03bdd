-- What personal data is left of people who were erased? All 0 when they are.
SELECT
    (
        SELECT count() FROM outbound
        WHERE (campaign_id, message_key) IN (SELECT campaign_id, message_key FROM erased_messages)
            AND (recipient != '' OR provider_message_id != '')
    ) AS outbound,
    (
        SELECT count() FROM outbound_ids
        WHERE (campaign_id, message_key) IN (SELECT campaign_id, message_key FROM erased_messages)
    ) AS outbound_ids,
    (SELECT count() FROM waiting WHERE recipient IN (SELECT toString(recipient) FROM erased_recipients)) AS waiting,
    (SELECT count() FROM unkeyed WHERE recipient IN (SELECT toString(recipient) FROM erased_recipients)) AS unkeyed
