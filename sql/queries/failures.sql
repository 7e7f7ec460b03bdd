-- Why did messages fail? A message counts under each reason that its failures named, so the rows may add up to more than
-- `failed_ever` of the funnel; `lost` are those that nothing better is known of.
WITH (
    SELECT groupBitmapMergeState(messages)
    FROM reached
    WHERE campaign_id = {campaign_id:String} AND status IN ('delivered', 'read', 'clicked')
) AS arrived
SELECT
    provider,
    error_code,
    groupBitmapMerge(t.messages) AS messages,
    bitmapAndnotCardinality(groupBitmapMergeState(t.messages), arrived) AS lost
FROM totals AS t
WHERE campaign_id = {campaign_id:String} AND status = 'failed'
GROUP BY provider, error_code
ORDER BY messages DESC, provider, error_code
