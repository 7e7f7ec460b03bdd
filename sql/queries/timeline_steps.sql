-- How many messages first reached each status in each step of `step_s` seconds, from `since` up to `before` (seconds since
-- the epoch)? A message that stands in two minutes counts in the first. Closed minutes were counted before; open ones add
-- what no closed minute holds. Without closed minutes it is the query timeline, whole.
WITH
    closed AS
    (
        SELECT status, messages, closed_until
        FROM closed_sets FINAL
        WHERE campaign_id = {campaign_id:String}
    ),
    (SELECT max(closed_until) FROM closed_sets WHERE campaign_id = {campaign_id:String}) AS closed_until,
    open AS
    (
        SELECT status, minute, groupBitmapMergeState(messages) AS messages
        FROM minutes
        WHERE campaign_id = {campaign_id:String} AND minute >= closed_until
        GROUP BY status, minute
    ),
    -- What stands on both sides is little: to take it from each minute costs less than to take a closed set from each.
    held AS
    (
        SELECT o.status AS status, bitmapAnd(o.messages, c.messages) AS messages
        FROM (SELECT status, groupBitmapMergeState(messages) AS messages FROM open GROUP BY status) AS o
        LEFT JOIN closed AS c ON c.status = o.status
    )
SELECT
    toString(t.status) AS status,
    fromUnixTimestamp64Milli(intDiv(toInt64(toUnixTimestamp(t.minute)), {step_s:UInt32}) * {step_s:UInt32} * 1000, 'UTC') AS step,
    sum(t.messages) AS messages
FROM
(
    SELECT status, minute, messages
    FROM closed_minutes FINAL
    WHERE campaign_id = {campaign_id:String} AND minute < closed_until
        AND minute >= fromUnixTimestamp({since:Int64})
    UNION ALL
    SELECT
        status,
        minute,
        toUInt64(reached - lagInFrame(reached, 1, 0) OVER (PARTITION BY status ORDER BY minute)) AS messages
    FROM
    (
        SELECT
            status,
            minute,
            groupBitmapMerge(added) OVER (PARTITION BY status ORDER BY minute ROWS UNBOUNDED PRECEDING) AS reached
        FROM
        (
            SELECT
                o.status AS status,
                o.minute AS minute,
                bitmapAndnot(o.messages, h.messages) AS added
            FROM open AS o
            LEFT JOIN held AS h ON h.status = o.status
        )
    )
) AS t
WHERE t.minute >= fromUnixTimestamp({since:Int64}) AND t.minute < fromUnixTimestamp({before:Int64})
GROUP BY status, step
HAVING messages > 0
ORDER BY step, status
