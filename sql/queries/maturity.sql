-- How fast do messages of the campaign get far? Of a fixed sixteenth: messages that reached each status by the cell (ms)
-- of their time from sending, and the sampled cohort that was sent.
SELECT
    toString(status) AS status,
    cell,
    reached - lagInFrame(reached, 1, 0) OVER (PARTITION BY status ORDER BY cell) AS messages
FROM
(
    SELECT
        status,
        cell,
        groupBitmapMerge(messages) OVER (PARTITION BY status ORDER BY cell ROWS UNBOUNDED PRECEDING) AS reached
    FROM
    (
        SELECT status, cell, groupBitmapMergeState(messages) AS messages
        FROM latency_sample
        WHERE campaign_id = {campaign_id:String} AND status IN ('accepted', 'sent', 'delivered', 'read', 'clicked', 'failed')
        GROUP BY status, cell
    )
)
ORDER BY status, cell
