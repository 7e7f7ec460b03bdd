-- Which messages does a provider's figure count, as query providers has it? By `reached`: sent, delivered, read, clicked or
-- failed. The next `at_most` keys behind `after`.
SELECT arrayJoin(arraySort(bitmapToArray(bitmapSubsetLimit(counted, toUInt64({after:Int64} + 1), {at_most:UInt64})))) AS message_key
FROM
(
    SELECT
        bitmapAndnot(
            groupBitmapMergeStateIf(messages, if({reached:String} = 'sent',
                status NOT IN ('rejected', 'unsubscribed', 'resubscribed', 'unknown'),
                toString(status) = {reached:String})),
            groupBitmapMergeStateIf(messages, {reached:String} = 'failed' AND status IN ('delivered', 'read', 'clicked'))
        ) AS counted
    FROM totals
    WHERE campaign_id = {campaign_id:String} AND provider = {provider:String}
)
