-- How large are the tables, and in how many parts do they lie? Many parts: inserts are too small, or merges don't keep up.
SELECT table, sum(rows) AS rows, sum(bytes_on_disk) AS bytes, count() AS parts
FROM system.parts
WHERE database = currentDatabase() AND active
GROUP BY table
ORDER BY table
