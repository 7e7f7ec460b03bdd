-- Which channel does each provider carry most, over the campaigns that gave a sign of life since `since` (ms)?
SELECT toString(provider) AS provider, toString(argMax(channel, messages)) AS channel
FROM
(
    SELECT provider, channel, count() AS messages
    FROM outbound
    WHERE provider != '' AND channel != ''
        AND campaign_id IN (SELECT campaign_id FROM campaigns WHERE at >= fromUnixTimestamp64Milli({since:Int64}))
    GROUP BY provider, channel
)
GROUP BY provider
ORDER BY provider
