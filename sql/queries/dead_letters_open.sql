-- What could not be used since `since` (ms since the epoch), by topic and reason, and how much of it was seen to?
-- A letter that came back after a replay counts again, as it stands in its topic again.
WITH
    counted AS
    (
        SELECT
            multiIf(flow = 'route', 'dlq.webhook', flow = 'status', 'dlq.status', 'dlq.send') AS topic,
            toString(letter.1) AS reason,
            toInt64(sum(letter.2)) AS letters,
            min(s.at) AS first_at,
            max(s.at) AS last_at
        FROM flow_stats AS s
        ARRAY JOIN arrayZip(mapKeys(s.dead_letters), mapValues(s.dead_letters)) AS letter
        WHERE s.at >= fromUnixTimestamp64Milli({since:Int64})
        GROUP BY topic, reason
    ),
    done AS
    (
        SELECT
            toString(topic) AS topic,
            toString(reason) AS reason,
            toInt64(countIf(action = 'replayed')) AS replayed,
            toInt64(countIf(action = 'discarded')) AS discarded
        FROM dead_letters_done FINAL
        WHERE at >= fromUnixTimestamp64Milli({since:Int64})
        GROUP BY topic, reason
    )
SELECT
    c.topic AS topic,
    c.reason AS reason,
    c.letters AS letters,
    d.replayed AS replayed,
    d.discarded AS discarded,
    greatest(c.letters - d.replayed - d.discarded, 0) AS open,
    c.first_at AS first_at,
    c.last_at AS last_at
FROM counted AS c
LEFT JOIN done AS d ON c.topic = d.topic AND c.reason = d.reason
ORDER BY open DESC, letters DESC, topic, reason
LIMIT 100
