-- What did the sender say of a message?
SELECT
    attempt, toString(type) AS type, toString(reason) AS reason, toString(outcome) AS outcome, final,
    toString(error_code) AS error_code, at, sent_at, toString(channel) AS channel, toString(provider) AS provider,
    toString(sender) AS sender, toString(template) AS template, toString(country) AS country
FROM outbound FINAL
WHERE campaign_id = {campaign_id:String} AND message_key = {message_key:UInt64}
ORDER BY at, attempt, type
LIMIT 1000
