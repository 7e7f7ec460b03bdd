-- Made from sql/migrations/004_outbound.sql by `python -m sql.sharding`.

CREATE TABLE IF NOT EXISTS campaigns_local ON CLUSTER '{cluster}'
(
    campaign_id LowCardinality(String) COMMENT 'Campaign',
    name String COMMENT 'What people call it',
    channel LowCardinality(String) COMMENT 'Channel that it is sent by first',
    audience UInt64 COMMENT 'Messages planned: rows of the frozen audience',
    frozen_at DateTime64(3, 'UTC') COMMENT 'When the audience was frozen',
    limit_per_s Nullable(Float64) COMMENT 'Messages per second that the campaign may be sent at',
    sla_p95_ms Nullable(UInt64) COMMENT 'Promise: 95 % delivered within this time, milliseconds',
    prices Map(String, Float64) COMMENT 'Cost of one message by country; the empty country stands for all others',
    at DateTime64(3, 'UTC') COMMENT 'When the sender said so'
)
ENGINE = ReplicatedReplacingMergeTree('/clickhouse/tables/{shard}/{database}/{table}', '{replica}', at)
ORDER BY campaign_id
COMMENT 'Plan of each campaign, the latest record holds: read with FINAL';

CREATE TABLE IF NOT EXISTS campaigns ON CLUSTER '{cluster}' AS campaigns_local
ENGINE = Distributed('{cluster}', currentDatabase(), 'campaigns_local', cityHash64(campaign_id));

CREATE TABLE IF NOT EXISTS progress_local ON CLUSTER '{cluster}'
(
    campaign_id LowCardinality(String) COMMENT 'Campaign',
    at DateTime64(3, 'UTC') CODEC(Delta, LZ4) COMMENT 'The second that this tells of',
    allowed_per_s Float64 COMMENT 'Messages per second that the sender was allowed',
    achieved_per_s Float64 COMMENT 'Messages per second that it handed over',
    slower_because LowCardinality(String) COMMENT 'What held it below the limit',
    queue UInt64 COMMENT 'Messages rendered and waiting',
    in_flight UInt64 COMMENT 'Messages handed over, answer outstanding'
)
ENGINE = ReplicatedReplacingMergeTree('/clickhouse/tables/{shard}/{database}/{table}', '{replica}')
ORDER BY (campaign_id, at)
TTL toDate(at) + INTERVAL 13 MONTH
COMMENT 'The sender''s own seconds: read with FINAL';

CREATE TABLE IF NOT EXISTS progress ON CLUSTER '{cluster}' AS progress_local
ENGINE = Distributed('{cluster}', currentDatabase(), 'progress_local', cityHash64(campaign_id));

CREATE TABLE IF NOT EXISTS outbound_local ON CLUSTER '{cluster}'
(
    campaign_id LowCardinality(String) COMMENT 'Campaign that the message belongs to',
    message_key UInt64 CODEC(Delta, LZ4) COMMENT 'Message within the campaign: its row in the frozen audience, or the place of its first outbound record',
    attempt UInt8 COMMENT 'Which try at sending the message, from 1',
    type Enum8('screened' = 1, 'intent' = 2, 'accepted' = 3, 'rejected' = 4, 'in_doubt' = 5, 'settled' = 6) COMMENT 'What the sender says of it',
    reason LowCardinality(String) COMMENT 'Of screened: why it was not sent',
    outcome LowCardinality(String) COMMENT 'Of settled: sent or lost',
    final Bool COMMENT 'Of rejected: it will not be tried again',
    error_code LowCardinality(String) COMMENT 'Of rejected: the provider''s reason',
    at DateTime64(3, 'UTC') CODEC(Delta, LZ4) COMMENT 'When it happened',
    sent_at Nullable(DateTime64(3, 'UTC')) CODEC(Delta, LZ4) COMMENT 'When this attempt was first handed to the provider',
    channel LowCardinality(String) COMMENT 'sms, whatsapp, email, push, …',
    provider LowCardinality(String) COMMENT 'Who was to deliver it',
    sender LowCardinality(String) COMMENT 'Number, address or account that it was sent from',
    template LowCardinality(String) COMMENT 'Template of the message',
    country LowCardinality(String) COMMENT 'ISO 3166 country of the recipient',
    recipient String COMMENT 'Keyed hash (BLAKE2b, 128 bits) of the recipient; empty where not given or erased',
    provider_message_id String COMMENT 'Keyed hash of the provider''s message id; empty where not given or erased',
    hash_version UInt8 COMMENT 'Version of the key that both were hashed with',
    month Date MATERIALIZED toStartOfMonth(ifNull(sent_at, at)) COMMENT 'Month that the attempt was sent in',
    earliness UInt64 MATERIALIZED bitNot(toUInt64(toUnixTimestamp64Milli(at))) CODEC(Delta, LZ4) COMMENT 'Inverted time: the first record of its kind wins'
)
ENGINE = ReplicatedReplacingMergeTree('/clickhouse/tables/{shard}/{database}/{table}', '{replica}', earliness)
PARTITION BY month
ORDER BY (campaign_id, message_key, attempt, type, reason, outcome, final)
TTL month + INTERVAL 13 MONTH
SETTINGS ttl_only_drop_parts = 1
COMMENT 'One row per message, attempt and kind of record: read with FINAL';

CREATE TABLE IF NOT EXISTS outbound ON CLUSTER '{cluster}' AS outbound_local
ENGINE = Distributed('{cluster}', currentDatabase(), 'outbound_local', cityHash64(campaign_id, message_key));

CREATE TABLE IF NOT EXISTS dispositions_local ON CLUSTER '{cluster}'
(
    campaign_id LowCardinality(String) COMMENT 'Campaign that the messages belong to',
    month Date COMMENT 'Month that the attempt was sent in',
    type Enum8('screened' = 1, 'intent' = 2, 'accepted' = 3, 'rejected' = 4, 'in_doubt' = 5, 'settled' = 6) COMMENT 'What the sender says',
    reason LowCardinality(String) COMMENT 'Of screened: why',
    outcome LowCardinality(String) COMMENT 'Of settled: sent or lost',
    final Bool COMMENT 'Of rejected: it will not be tried again',
    attempt UInt8 COMMENT 'Which try at sending, from 1',
    messages AggregateFunction(groupBitmap, UInt64) COMMENT 'Keys of the messages: a set, so that repeats and replays change nothing'
)
ENGINE = ReplicatedAggregatingMergeTree('/clickhouse/tables/{shard}/{database}/{table}', '{replica}')
PARTITION BY month
ORDER BY (campaign_id, type, reason, outcome, final, attempt)
TTL month + INTERVAL 13 MONTH
SETTINGS ttl_only_drop_parts = 1
COMMENT 'What senders said of which messages: the accounting line';

CREATE TABLE IF NOT EXISTS dispositions ON CLUSTER '{cluster}' AS dispositions_local
ENGINE = Distributed('{cluster}', currentDatabase(), 'dispositions_local', cityHash64(campaign_id));

CREATE MATERIALIZED VIEW IF NOT EXISTS dispositions_mv ON CLUSTER '{cluster}' TO dispositions_local AS
SELECT campaign_id, month, type, reason, outcome, final, attempt, groupBitmapState(message_key) AS messages
FROM outbound_local
GROUP BY campaign_id, month, type, reason, outcome, final, attempt;

CREATE TABLE IF NOT EXISTS splits_local ON CLUSTER '{cluster}'
(
    campaign_id LowCardinality(String) COMMENT 'Campaign that the messages belong to',
    month Date COMMENT 'Month that the attempt was sent in',
    dimension Enum8('channel' = 1, 'sender' = 2, 'template' = 3, 'country' = 4) COMMENT 'What is split by',
    value LowCardinality(String) COMMENT 'Its value',
    messages AggregateFunction(groupBitmap, UInt64) COMMENT 'Keys of the messages: a set, so that repeats and replays change nothing'
)
ENGINE = ReplicatedAggregatingMergeTree('/clickhouse/tables/{shard}/{database}/{table}', '{replica}')
PARTITION BY month
ORDER BY (campaign_id, dimension, value)
TTL month + INTERVAL 13 MONTH
SETTINGS ttl_only_drop_parts = 1
COMMENT 'Which messages have which channel, sender number, template and country, as outbound records say: a split figure is such a set cut with that of a status';

CREATE TABLE IF NOT EXISTS splits ON CLUSTER '{cluster}' AS splits_local
ENGINE = Distributed('{cluster}', currentDatabase(), 'splits_local', cityHash64(campaign_id));

CREATE MATERIALIZED VIEW IF NOT EXISTS splits_mv ON CLUSTER '{cluster}' TO splits_local AS
SELECT campaign_id, month, split.1 AS dimension, split.2 AS value, groupBitmapState(message_key) AS messages
FROM outbound_local
ARRAY JOIN [('channel', channel), ('sender', sender), ('template', template), ('country', country)] AS split
WHERE value != ''
GROUP BY campaign_id, month, dimension, value;
