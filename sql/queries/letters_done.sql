-- Which dead letters of a topic were replayed or discarded?
SELECT place, hex(digest) AS digest, toString(action) AS action
FROM dead_letters_done FINAL
WHERE topic = {topic:String}
