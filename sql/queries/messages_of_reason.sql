-- Which messages failed for a reason, at one provider or, where `provider` is empty, at any? The next `at_most` keys behind
-- `after`.
SELECT arrayJoin(arraySort(bitmapToArray(bitmapSubsetLimit(counted, toUInt64({after:Int64} + 1), {at_most:UInt64})))) AS message_key
FROM
(
    SELECT groupBitmapMergeState(messages) AS counted
    FROM reasons
    WHERE campaign_id = {campaign_id:String} AND error_code = {error_code:String}
        AND ({provider:String} = '' OR provider = {provider:String})
)
