-- Made from sql/migrations/014_stages.sql by `python -m sql.sharding`.

CREATE TABLE IF NOT EXISTS stages_local ON CLUSTER '{cluster}'
(
    campaign_id LowCardinality(String) COMMENT 'Campaign that the messages belong to',
    month Date COMMENT 'Month that the attempt was sent in',
    stage Enum8('sent' = 1, 'delivered' = 2, 'read' = 3, 'clicked' = 4, 'arrived' = 5, 'failed' = 6, 'rejected' = 7, 'complained' = 8, 'unsubscribed' = 9, 'retried' = 10, 'sent_again' = 11, 'arrived_first' = 12) COMMENT 'How far: a status, or sent (any that says a provider took it), arrived (delivered, read or clicked), retried (any by a second attempt or later), sent_again (sent, by such), arrived_first (arrived, by the first attempt)',
    messages AggregateFunction(groupBitmap, UInt64) CODEC(NONE) COMMENT 'Keys of the messages: a set, so that repeats and replays change nothing'
)
ENGINE = ReplicatedAggregatingMergeTree('/clickhouse/tables/{shard}/{database}/{table}', '{replica}')
PARTITION BY month
ORDER BY (campaign_id, stage)
TTL month + INTERVAL 13 MONTH
SETTINGS ttl_only_drop_parts = 1, index_granularity = 1
COMMENT 'Which messages got how far, and nothing else: what the funnel is read from';

CREATE TABLE IF NOT EXISTS stages ON CLUSTER '{cluster}' AS stages_local
ENGINE = Distributed('{cluster}', currentDatabase(), 'stages_local', cityHash64(campaign_id));

CREATE MATERIALIZED VIEW IF NOT EXISTS stages_mv ON CLUSTER '{cluster}' TO stages_local AS
SELECT campaign_id, month, stage, groupBitmapMergeState(messages) AS messages
FROM totals_local
ARRAY JOIN arrayFilter(told -> told != '', [
    if(status IN ('rejected', 'unsubscribed', 'resubscribed', 'unknown'), '', 'sent'),
    if(status IN ('delivered', 'read', 'clicked', 'failed', 'rejected', 'complained', 'unsubscribed'), toString(status), ''),
    if(status IN ('delivered', 'read', 'clicked'), 'arrived', ''),
    if(retried, 'retried', ''),
    if(retried AND status NOT IN ('rejected', 'unsubscribed', 'resubscribed', 'unknown'), 'sent_again', ''),
    if(NOT retried AND status IN ('delivered', 'read', 'clicked'), 'arrived_first', '')
]) AS stage
GROUP BY campaign_id, month, stage;

CREATE TABLE IF NOT EXISTS reasons_local ON CLUSTER '{cluster}'
(
    campaign_id LowCardinality(String) COMMENT 'Campaign that the messages belong to',
    month Date COMMENT 'Month that the attempt was sent in',
    provider LowCardinality(String) COMMENT 'Who reported the failure',
    error_code LowCardinality(String) COMMENT 'Its reason, empty where none was given',
    messages AggregateFunction(groupBitmap, UInt64) COMMENT 'Keys of the messages: a set, so that repeats and replays change nothing'
)
ENGINE = ReplicatedAggregatingMergeTree('/clickhouse/tables/{shard}/{database}/{table}', '{replica}')
PARTITION BY month
ORDER BY (campaign_id, provider, error_code)
TTL month + INTERVAL 13 MONTH
SETTINGS ttl_only_drop_parts = 1
COMMENT 'Which messages failed for which reason';

CREATE TABLE IF NOT EXISTS reasons ON CLUSTER '{cluster}' AS reasons_local
ENGINE = Distributed('{cluster}', currentDatabase(), 'reasons_local', cityHash64(campaign_id));

CREATE MATERIALIZED VIEW IF NOT EXISTS reasons_mv ON CLUSTER '{cluster}' TO reasons_local AS
SELECT campaign_id, month, provider, error_code, groupBitmapMergeState(messages) AS messages
FROM totals_local
WHERE status = 'failed'
GROUP BY campaign_id, month, provider, error_code;

DROP VIEW IF EXISTS reached_mv ON CLUSTER '{cluster}';

DROP TABLE IF EXISTS reached ON CLUSTER '{cluster}';

DROP TABLE IF EXISTS reached_local ON CLUSTER '{cluster}';
