-- When did the sender first and last say something of the campaign, and what last?
SELECT
    min(p.at) AS first_at,
    max(p.at) AS last_at,
    argMax(allowed_per_s, p.at) AS allowed_per_s,
    argMax(achieved_per_s, p.at) AS achieved_per_s,
    toString(argMax(slower_because, p.at)) AS slower_because,
    argMax(queue, p.at) AS queue,
    argMax(in_flight, p.at) AS in_flight
FROM progress AS p
WHERE campaign_id = {campaign_id:String}
HAVING count() > 0
