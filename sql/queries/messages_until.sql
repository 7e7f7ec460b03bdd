-- Up to which key do the next `span` rows of the campaign's messages behind `after` reach? Rows, of which a message may
-- still have several: read in the order that they lie in, so no more of them than that. NULL: there are no more.
SELECT maxOrNull(message_key) AS until
FROM
(
    SELECT message_key
    FROM messages
    WHERE campaign_id = {campaign_id:String} AND message_key > {after:Int64}
    ORDER BY message_key
    LIMIT {span:UInt32}
)
