-- Which statuses still wait for an outbound record that says whose they are, by provider and day?
SELECT provider, toDate(received_at) AS day, count() AS statuses
FROM waiting FINAL
GROUP BY provider, day
ORDER BY provider, day
