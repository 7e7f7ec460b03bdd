-- What did each exactness check find last?
SELECT toString(name) AS name, max(c.at) AS at, argMax(c.wrong, c.at) AS wrong, argMax(c.seconds, c.at) AS seconds, argMax(c.first_wrong, c.at) AS first_wrong
FROM check_runs AS c
GROUP BY name
ORDER BY name
