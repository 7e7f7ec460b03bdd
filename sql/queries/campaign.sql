-- What is the plan of the campaign?
SELECT
    toString(campaign_id) AS campaign_id, name, toString(channel) AS channel, audience, frozen_at, limit_per_s, sla_p95_ms,
    mapKeys(prices) AS price_countries, mapValues(prices) AS price_values
FROM campaigns FINAL
WHERE campaign_id = {campaign_id:String}
