-- What was done about dead letters; they themselves stand in their topics.

CREATE TABLE IF NOT EXISTS dead_letters_done
(
    topic LowCardinality(String) COMMENT 'Topic that the dead letter stands in',
    place UInt64 COMMENT 'Its place there',
    digest FixedString(16) COMMENT 'BLAKE2b of origin topic and payload: the same record, however often it comes back',
    action Enum8('replayed' = 1, 'discarded' = 2) COMMENT 'What was done',
    reason LowCardinality(String) COMMENT 'Why it was a dead letter',
    at DateTime64(3, 'UTC') COMMENT 'When it was done'
)
ENGINE = ReplacingMergeTree(at)
ORDER BY (topic, place)
TTL toDate(at) + INTERVAL 13 MONTH
COMMENT 'Dead letters that were replayed or discarded: read with FINAL';
