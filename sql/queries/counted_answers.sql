-- What was answered last to the questions that are asked of a large campaign in the background? No rows: it is not large.
SELECT toString(question) AS question, answer, counted_at
FROM counted_answers FINAL
WHERE campaign_id = {campaign_id:String}
