-- What did each provider do since `since` (ms since the epoch), over all campaigns? Readings added over campaigns, the last
-- of each in each `step_ms`.
SELECT toString(provider) AS provider, step, sum(sent) AS sent, sum(delivered) AS delivered, sum(failed) AS failed, sum(reported) AS reported, count() AS campaigns
FROM
(
    SELECT
        campaign_id,
        provider,
        fromUnixTimestamp64Milli(intDiv(toUnixTimestamp64Milli(p.at), {step_ms:Int64}) * {step_ms:Int64}, 'UTC') AS step,
        argMax(p.sent, p.at) AS sent,
        argMax(p.delivered, p.at) AS delivered,
        argMax(p.failed, p.at) AS failed,
        argMax(p.sent + p.delivered + p.read + p.clicked + p.failed, p.at) AS reported
    FROM pulse AS p
    WHERE p.provider != '' AND p.at >= fromUnixTimestamp64Milli({since:Int64})
    GROUP BY campaign_id, provider, step
)
GROUP BY provider, step
ORDER BY step, provider
