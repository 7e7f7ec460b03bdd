-- Made from sql/migrations/012_counted.sql by `python -m sql.sharding`.

CREATE TABLE IF NOT EXISTS split_counts_local ON CLUSTER '{cluster}'
(
    campaign_id LowCardinality(String) COMMENT 'Campaign that the messages belong to',
    dimension Enum8('channel' = 1, 'sender' = 2, 'template' = 3, 'country' = 4) COMMENT 'What is split by',
    value LowCardinality(String) COMMENT 'Its value; unknown where no outbound record names one',
    sent UInt64 COMMENT 'Messages with it that were sent',
    delivered UInt64 COMMENT 'Reported delivered',
    read UInt64 COMMENT 'Read',
    clicked UInt64 COMMENT 'Clicked',
    failed UInt64 COMMENT 'Failed, and neither delivered nor read nor clicked',
    counted_at DateTime64(3, 'UTC') COMMENT 'When this was counted: rows of the latest hold, together'
)
ENGINE = ReplicatedReplacingMergeTree('/clickhouse/tables/{shard}/{database}/{table}', '{replica}', counted_at)
ORDER BY (campaign_id, dimension, value)
TTL toDate(counted_at) + INTERVAL 13 MONTH
COMMENT 'Splits of large campaigns as query splits gives them, recomputed whole in the background: read with FINAL, and only rows of the latest counted_at';

CREATE TABLE IF NOT EXISTS split_counts ON CLUSTER '{cluster}' AS split_counts_local
ENGINE = Distributed('{cluster}', currentDatabase(), 'split_counts_local', cityHash64(campaign_id));

CREATE TABLE IF NOT EXISTS counted_answers_local ON CLUSTER '{cluster}'
(
    campaign_id LowCardinality(String) COMMENT 'Campaign',
    question LowCardinality(String) COMMENT 'File in sql/queries',
    answer String COMMENT 'Its rows, a JSON array of objects',
    counted_at DateTime64(3, 'UTC') COMMENT 'When it was asked'
)
ENGINE = ReplicatedReplacingMergeTree('/clickhouse/tables/{shard}/{database}/{table}', '{replica}', counted_at)
ORDER BY (campaign_id, question)
TTL toDate(counted_at) + INTERVAL 13 MONTH
COMMENT 'Answers on large campaigns that take more than 50 ms to read from sets, asked anew in the background: read with FINAL';

CREATE TABLE IF NOT EXISTS counted_answers ON CLUSTER '{cluster}' AS counted_answers_local
ENGINE = Distributed('{cluster}', currentDatabase(), 'counted_answers_local', cityHash64(campaign_id));
