-- What did each provider do since `since` (ms since the epoch)? The last reading of each `step_ms`, of each campaign: they
-- are read one after another, so that a step may lack any of them, and growth is what may be added over campaigns.
SELECT
    toString(campaign_id) AS campaign_id,
    toString(provider) AS provider,
    fromUnixTimestamp64Milli(intDiv(toUnixTimestamp64Milli(p.at), {step_ms:Int64}) * {step_ms:Int64}, 'UTC') AS step,
    argMax(p.sent, p.at) AS sent,
    argMax(p.delivered, p.at) AS delivered,
    argMax(p.failed, p.at) AS failed,
    argMax(p.sent + p.delivered + p.read + p.clicked + p.failed, p.at) AS reported
FROM pulse AS p
WHERE p.provider != '' AND p.at >= fromUnixTimestamp64Milli({since:Int64})
GROUP BY campaign_id, provider, step
ORDER BY campaign_id, step, provider
