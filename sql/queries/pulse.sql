-- What did the live page show since `since` (ms since the epoch)? The last reading of each `step_ms`, by provider; the
-- empty provider stands for all.
SELECT
    toString(provider) AS provider,
    fromUnixTimestamp64Milli(intDiv(toUnixTimestamp64Milli(p.at), {step_ms:Int64}) * {step_ms:Int64}, 'UTC') AS step,
    argMax(p.sent, p.at) AS sent,
    argMax(p.delivered, p.at) AS delivered,
    argMax(p.read, p.at) AS read,
    argMax(p.clicked, p.at) AS clicked,
    argMax(p.failed, p.at) AS failed
FROM pulse AS p
WHERE campaign_id = {campaign_id:String} AND p.at >= fromUnixTimestamp64Milli({since:Int64})
GROUP BY provider, step
ORDER BY step, provider
