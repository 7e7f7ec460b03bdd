-- In which minute did messages first reach each status? A message that stands in two minutes counts in the first: so a
-- minute's figure is by how much it lets the union of all minutes so far grow.
SELECT
    toString(s.status) AS status,
    toDateTime64(s.minute, 3, 'UTC') AS minute,
    reached - lagInFrame(reached, 1, 0) OVER (PARTITION BY s.status ORDER BY s.minute) AS messages
FROM
(
    SELECT
        status,
        minute,
        groupBitmapMerge(messages) OVER (PARTITION BY status ORDER BY minute ROWS UNBOUNDED PRECEDING) AS reached
    FROM
    (
        SELECT status, minute, groupBitmapMergeState(messages) AS messages
        FROM minutes
        WHERE campaign_id = {campaign_id:String}
        GROUP BY status, minute
    )
) AS s
QUALIFY messages > 0
ORDER BY status, minute
