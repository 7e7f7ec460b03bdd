-- Up to when are the campaign's minutes counted before, and when was that?
SELECT toDateTime64(max(s.closed_until), 3, 'UTC') AS closed_until, max(s.counted_at) AS counted_at
FROM (SELECT * FROM closed_sets FINAL WHERE campaign_id = {campaign_id:String}) AS s
HAVING count() > 0
