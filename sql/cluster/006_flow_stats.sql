-- Made from sql/migrations/006_flow_stats.sql by `python -m sql.sharding`.

CREATE TABLE IF NOT EXISTS flow_stats_local ON CLUSTER '{cluster}'
(
    at DateTime64(3, 'UTC') CODEC(Delta, LZ4) COMMENT 'End of the second that this tells of',
    flow LowCardinality(String) COMMENT 'route or status',
    lane LowCardinality(String) COMMENT 'Lane within the flow',
    slice LowCardinality(String) COMMENT 'Share of the partitions that the process takes',
    events UInt64 COMMENT 'Events read in this second',
    rows UInt64 COMMENT 'Rows that the lane wrote to status_events, or events that it wrote to lane topics',
    waiting UInt64 COMMENT 'Events set aside because they carry none of our ids',
    matched UInt64 COMMENT 'Events, of those set aside, that found their message',
    repeats Map(LowCardinality(String), UInt64) COMMENT 'Repeats by provider and cause (replay, repeat), as provider/cause',
    dropped UInt64 COMMENT 'Repeats that the window kept back',
    bypassed UInt64 COMMENT 'Events outside the window''s span',
    dead_letters Map(LowCardinality(String), UInt64) COMMENT 'Dead letters by reason',
    lag UInt64 COMMENT 'How far the lane is behind its topic: messages on Kafka, bytes in files',
    lag_ms UInt64 COMMENT 'Age of the oldest event in the batch read last, 0 when nothing waits',
    batches UInt64 COMMENT 'Batches inserted',
    batch_rows UInt64 COMMENT 'Rows in them',
    insert_ms Float64 COMMENT 'Time spent inserting them',
    batch_age_ms UInt64 COMMENT 'Longest wait of a row for its batch',
    retries UInt64 COMMENT 'Inserts that had to be tried again',
    window_ids UInt64 COMMENT 'Ids that the dedup window holds',
    window_bytes UInt64 COMMENT 'Memory that it takes'
)
ENGINE = ReplicatedMergeTree('/clickhouse/tables/{shard}/{database}/{table}', '{replica}')
ORDER BY (flow, lane, at)
TTL toDate(at) + INTERVAL 30 DAY
COMMENT 'What each flow did, a row a second and lane';

CREATE TABLE IF NOT EXISTS flow_stats ON CLUSTER '{cluster}' AS flow_stats_local
ENGINE = Distributed('{cluster}', currentDatabase(), 'flow_stats_local', 0);
