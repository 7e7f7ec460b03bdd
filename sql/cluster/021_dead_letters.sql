-- Made from sql/migrations/021_dead_letters.sql by `python -m sql.sharding`.

CREATE TABLE IF NOT EXISTS dead_letters_done_local ON CLUSTER '{cluster}'
(
    topic LowCardinality(String) COMMENT 'Topic that the dead letter stands in',
    place UInt64 COMMENT 'Its place there',
    digest FixedString(16) COMMENT 'BLAKE2b of origin topic and payload: the same record, however often it comes back',
    action Enum8('replayed' = 1, 'discarded' = 2) COMMENT 'What was done',
    reason LowCardinality(String) COMMENT 'Why it was a dead letter',
    at DateTime64(3, 'UTC') COMMENT 'When it was done'
)
ENGINE = ReplicatedReplacingMergeTree('/clickhouse/tables/{shard}/{database}/{table}', '{replica}', at)
ORDER BY (topic, place)
TTL toDate(at) + INTERVAL 13 MONTH
COMMENT 'Dead letters that were replayed or discarded: read with FINAL';

CREATE TABLE IF NOT EXISTS dead_letters_done ON CLUSTER '{cluster}' AS dead_letters_done_local
ENGINE = Distributed('{cluster}', currentDatabase(), 'dead_letters_done_local', place);
