-- Up to when are the campaign's minutes counted before, and when was that?
SELECT max(closed_until) AS closed_until, max(counted_at) AS counted_at
FROM closed_sets FINAL
WHERE campaign_id = {campaign_id:String}
HAVING count() > 0
