-- How many messages a second were senders allowed in each step of `step_ms` since `since` (ms since the epoch), and how many
-- did they hand over? By the channel that their campaigns are sent by first, added up over campaigns; of each its last word.
SELECT
    ifNull(any(c.channel), '') AS channel,
    s.step AS step,
    sum(s.allowed_per_s) AS allowed_per_s,
    sum(s.achieved_per_s) AS achieved_per_s
FROM
(
    SELECT
        campaign_id,
        fromUnixTimestamp64Milli(intDiv(toUnixTimestamp64Milli(p.at), {step_ms:Int64}) * {step_ms:Int64}, 'UTC') AS step,
        argMax(p.allowed_per_s, p.at) AS allowed_per_s,
        avg(p.achieved_per_s) AS achieved_per_s
    FROM progress AS p
    WHERE p.at >= fromUnixTimestamp64Milli({since:Int64}) AND (p.queue > 0 OR p.in_flight > 0)
    GROUP BY campaign_id, step
) AS s
LEFT JOIN (SELECT campaign_id, toString(channel) AS channel FROM campaigns FINAL) AS c ON c.campaign_id = s.campaign_id
GROUP BY c.channel, s.step
ORDER BY step, channel
