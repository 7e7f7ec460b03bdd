-- How fast do campaigns go out that a sender told of in the last minute, and what is under way?
SELECT
    campaign_id,
    argMax(allowed_per_s, p.at) AS allowed_per_s,
    argMax(achieved_per_s, p.at) AS achieved_per_s,
    argMax(queue, p.at) AS queue,
    argMax(in_flight, p.at) AS in_flight
FROM progress AS p
WHERE p.at > now64(3) - INTERVAL 1 MINUTE
GROUP BY campaign_id
ORDER BY campaign_id
LIMIT 100
