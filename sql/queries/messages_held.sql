-- Of how many messages of the campaign is anything known? A set of keys, so that 50 million are counted in a second.
SELECT groupBitmap(message_key) AS messages
FROM messages
WHERE campaign_id = {campaign_id:String}
