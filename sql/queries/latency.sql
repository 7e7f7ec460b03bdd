-- How long after sending did messages first reach each status? Messages by cell (`cell`: its lower bound, ms), each in
-- its smallest one: so a cell's figure is by how much it lets the union of all cells so far grow.
SELECT
    toString(s.status) AS status,
    cell,
    reached - lagInFrame(reached, 1, 0) OVER (PARTITION BY s.status ORDER BY cell) AS messages
FROM
(
    SELECT
        status,
        cell,
        groupBitmapMerge(messages) OVER (PARTITION BY status ORDER BY cell ROWS UNBOUNDED PRECEDING) AS reached
    FROM
    (
        SELECT status, cell, groupBitmapMergeState(messages) AS messages
        FROM latency
        WHERE campaign_id = {campaign_id:String}
        GROUP BY status, cell
    )
) AS s
QUALIFY messages > 0
ORDER BY status, cell
