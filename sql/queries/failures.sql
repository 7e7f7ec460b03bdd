-- Why did messages fail? A message counts under each reason that its failures named, so the rows may add up to more than
-- `failed_ever` of the funnel; `lost` are those that nothing better is known of.
WITH (
    -- Few: to take these from each reason costs less than to take all that arrived.
    SELECT bitmapAnd(groupBitmapMergeStateIf(messages, stage = 'failed'), groupBitmapMergeStateIf(messages, stage = 'arrived'))
    FROM stages
    WHERE campaign_id = {campaign_id:String} AND stage IN ('failed', 'arrived')
) AS recovered
SELECT
    provider,
    error_code,
    groupBitmapMerge(r.messages) AS messages,
    bitmapAndnotCardinality(groupBitmapMergeState(r.messages), recovered) AS lost
FROM reasons AS r
WHERE campaign_id = {campaign_id:String}
GROUP BY provider, error_code
ORDER BY messages DESC, provider, error_code
