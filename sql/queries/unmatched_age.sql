-- How many statuses wait for an outbound record that says whose they are, and since when does the oldest?
SELECT count() AS statuses, minOrNull(received_at) AS oldest_at
FROM waiting FINAL
