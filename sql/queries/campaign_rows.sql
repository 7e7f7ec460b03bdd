-- How many rows stand of the campaign, repeats included? Another number than before: something came, or was merged.
SELECT
    (SELECT count() FROM status_events WHERE campaign_id = {campaign_id:String})
    + (SELECT count() FROM outbound WHERE campaign_id = {campaign_id:String}) AS rows
