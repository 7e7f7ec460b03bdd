-- How many statuses wait for an outbound record, by provider?
SELECT provider, count() AS statuses
FROM waiting FINAL
GROUP BY provider
ORDER BY provider
