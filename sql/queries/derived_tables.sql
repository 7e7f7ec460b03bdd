-- Which views fill a table from another one of ours, in what columns, and by which SELECT?
SELECT
    t.name AS view,
    extract(t.create_table_query, ' TO (?:[^ .]+\\.)?([A-Za-z0-9_]+)') AS target,
    t.as_select AS definition,
    c.names AS columns
FROM system.tables AS t
INNER JOIN
(
    SELECT table, arrayMap(column -> column.2, arraySort(groupArray((position, name)))) AS names
    FROM system.columns
    WHERE database = currentDatabase()
    GROUP BY table
) AS c ON c.table = t.name
WHERE t.database = currentDatabase() AND t.engine = 'MaterializedView'
ORDER BY view
