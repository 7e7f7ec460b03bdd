-- How far did the messages of each channel, sender, template or country (`dimension`) of a large campaign get, as they
-- were counted last? No rows: they were not counted yet, ask splits.
SELECT toString(value) AS value, sent, delivered, read, clicked, failed, counted_at
FROM split_counts FINAL
WHERE campaign_id = {campaign_id:String} AND dimension = {dimension:String}
    AND counted_at = (SELECT max(counted_at) FROM split_counts WHERE campaign_id = {campaign_id:String})
ORDER BY sent DESC, value
