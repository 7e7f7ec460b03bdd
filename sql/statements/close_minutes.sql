-- Counts all minutes before `until` (s since the epoch) anew, each message in the first that it stands in.
INSERT INTO closed_minutes (campaign_id, status, minute, messages, counted_at)
SELECT {campaign_id:String}, status, minute, toUInt64(reached - lagInFrame(reached, 1, 0) OVER (PARTITION BY status ORDER BY minute)), fromUnixTimestamp64Milli({now:Int64}, 'UTC')
FROM
(
    SELECT status, minute, groupBitmapMerge(messages) OVER (PARTITION BY status ORDER BY minute ROWS UNBOUNDED PRECEDING) AS reached
    FROM
    (
        SELECT status, minute, groupBitmapMergeState(messages) AS messages
        FROM minutes
        WHERE campaign_id = {campaign_id:String} AND minute < fromUnixTimestamp({until:Int64})
        GROUP BY status, minute
    )
)
