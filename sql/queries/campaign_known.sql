-- Did any status or sender tell of the campaign?
SELECT
    (SELECT count() FROM (SELECT 1 FROM totals WHERE campaign_id = {campaign_id:String} LIMIT 1))
    + (SELECT count() FROM (SELECT 1 FROM dispositions WHERE campaign_id = {campaign_id:String} LIMIT 1)) > 0 AS known
