-- Made from sql/migrations/001_status_events.sql by `python -m sql.sharding`.

CREATE TABLE IF NOT EXISTS status_events_local ON CLUSTER '{cluster}'
(
    campaign_id LowCardinality(String) COMMENT 'Campaign that the message belongs to',
    message_key UInt64 CODEC(Delta, LZ4) COMMENT 'Message within the campaign: its row in the frozen audience, or the place of its first outbound record',
    attempt UInt8 COMMENT 'Which try at sending the message, from 1',
    status Enum8('accepted' = 1, 'rejected' = 2, 'sent' = 3, 'deferred' = 4, 'delivered' = 5, 'read' = 6, 'clicked' = 7, 'failed' = 8, 'complained' = 9, 'unsubscribed' = 10, 'resubscribed' = 11, 'unknown' = 12) COMMENT 'How far the message got, in our terms',
    error_code LowCardinality(String) COMMENT 'Reason as the provider numbers it; empty where it gave none',
    provider LowCardinality(String) COMMENT 'Who reported the status',
    raw_status LowCardinality(String) COMMENT 'The status in the provider''s own word',
    event_time DateTime64(3, 'UTC') CODEC(Delta, LZ4) COMMENT 'When it happened, as the provider says; of repeats the earliest',
    received_at DateTime64(3, 'UTC') CODEC(Delta, LZ4) COMMENT 'When the report reached us',
    sent_at Nullable(DateTime64(3, 'UTC')) CODEC(Delta, LZ4) COMMENT 'When this attempt was first handed to the provider; latencies count from here',
    month Date MATERIALIZED toStartOfMonth(ifNull(sent_at, event_time)) COMMENT 'Month that the attempt was sent in: rows of one key share it, because merges never cross partitions',
    latency_cell UInt32 MATERIALIZED roundDown(
        toUInt32(greatest(0, least(2592000000, dateDiff('millisecond', ifNull(sent_at, event_time), event_time)))),
        [
            0, 10, 11, 12, 13, 15, 16, 18, 20, 22, 24, 27, 30, 33, 36, 39, 43, 47, 51, 56, 62, 68, 75, 82, 91, 100,
            110, 120, 130, 150, 160, 180, 200, 220, 240, 270, 300, 330, 360, 390, 430, 470, 510, 560, 620, 680,
            750, 820, 910, 1000, 1100, 1200, 1300, 1500, 1600, 1800, 2000, 2200, 2400, 2700, 3000, 3300, 3600,
            3900, 4300, 4700, 5100, 5600, 6200, 6800, 7500, 8200, 9100, 10000, 11000, 12000, 13000, 15000, 16000,
            18000, 20000, 22000, 24000, 27000, 30000, 33000, 36000, 39000, 43000, 47000, 51000, 56000, 62000,
            68000, 75000, 82000, 91000, 100000, 110000, 120000, 130000, 150000, 160000, 180000, 200000, 220000,
            240000, 270000, 300000, 330000, 360000, 390000, 430000, 470000, 510000, 560000, 620000, 680000, 750000,
            820000, 910000, 1000000, 1100000, 1200000, 1300000, 1500000, 1600000, 1800000, 2000000, 2200000,
            2400000, 2700000, 3000000, 3300000, 3600000, 3900000, 4300000, 4700000, 5100000, 5600000, 6200000,
            6800000, 7500000, 8200000, 9100000, 10000000, 11000000, 12000000, 13000000, 15000000, 16000000,
            18000000, 20000000, 22000000, 24000000, 27000000, 30000000, 33000000, 36000000, 39000000, 43000000,
            47000000, 51000000, 56000000, 62000000, 68000000, 75000000, 82000000, 91000000, 100000000, 110000000,
            120000000, 130000000, 150000000, 160000000, 180000000, 200000000, 220000000, 240000000, 270000000,
            300000000, 330000000, 360000000, 390000000, 430000000, 470000000, 510000000, 560000000, 620000000,
            680000000, 750000000, 820000000, 910000000, 1000000000, 1100000000, 1200000000, 1300000000, 1500000000,
            1600000000, 1800000000, 2000000000, 2200000000, 2400000000, 2592000000
        ]) CODEC(T64, LZ4) COMMENT 'Lower bound, ms, of the cell that the time from sent_at to event_time falls in (schemas/latency.py); 0 without sent_at',
    earliness UInt64 MATERIALIZED bitNot(toUInt64(toUnixTimestamp64Milli(event_time))) CODEC(Delta, LZ4) COMMENT 'Inverted event_time: the version by which the earliest repeat wins'
)
ENGINE = ReplicatedReplacingMergeTree('/clickhouse/tables/{shard}/{database}/{table}', '{replica}', earliness)
PARTITION BY month
ORDER BY (campaign_id, message_key, attempt, status, error_code, provider, if(status = 'unknown', raw_status, ''), isNull(sent_at))
TTL month + INTERVAL 13 MONTH
SETTINGS ttl_only_drop_parts = 1
COMMENT 'One row per message, attempt, status, reason and provider. Repeats collapse when parts merge: read it through v_events, or with FINAL';

CREATE TABLE IF NOT EXISTS status_events ON CLUSTER '{cluster}' AS status_events_local
ENGINE = Distributed('{cluster}', currentDatabase(), 'status_events_local', cityHash64(campaign_id, message_key));

CREATE OR REPLACE VIEW v_events ON CLUSTER '{cluster}' AS
SELECT campaign_id, message_key, attempt, status, error_code, provider, raw_status, event_time, received_at, sent_at
FROM status_events FINAL
COMMENT 'status_events without repeats: exact at any moment';
