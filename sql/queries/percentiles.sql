-- Within what time did half, 95 % and 99 % of the messages that reached a status reach it? From a fixed sixteenth of
-- them, as the lower bound of the cell (ms) that the message at that rank stands in: an estimate, some 6 % low at most.
WITH cells AS
(
    SELECT
        status,
        cell,
        groupBitmapMerge(messages) OVER (PARTITION BY status ORDER BY cell ROWS UNBOUNDED PRECEDING) AS reached
    FROM
    (
        SELECT status, cell, groupBitmapMergeState(messages) AS messages
        FROM latency_sample
        WHERE campaign_id = {campaign_id:String}
        GROUP BY status, cell
    )
)
SELECT
    toString(s.status) AS status,
    max(reached) AS sampled,
    minIf(cell, reached >= 0.50 * total) AS p50_ms,
    minIf(cell, reached >= 0.95 * total) AS p95_ms,
    minIf(cell, reached >= 0.99 * total) AS p99_ms
FROM (SELECT status, cell, reached, max(reached) OVER (PARTITION BY status) AS total FROM cells) AS s
GROUP BY s.status
ORDER BY status
