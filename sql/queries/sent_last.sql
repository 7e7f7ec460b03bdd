-- In which minute were messages of each of `campaigns` sent last? Where nobody told of sending: reported on last.
SELECT
    toString(m.campaign_id) AS campaign_id,
    toDateTime64(coalesce(maxOrNullIf(m.minute, m.status IN ('accepted', 'sent')), max(m.minute)), 3, 'UTC') AS minute
FROM minutes AS m
WHERE m.campaign_id IN {campaigns:Array(String)}
GROUP BY campaign_id
