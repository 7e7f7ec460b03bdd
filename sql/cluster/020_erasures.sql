-- Made from sql/migrations/020_erasures.sql by `python -m sql.sharding`.

CREATE TABLE IF NOT EXISTS erased_recipients_local ON CLUSTER '{cluster}'
(
    recipient FixedString(16) COMMENT 'Keyed hash of the recipient, one row for each kept key and spelling',
    hash_version UInt8 COMMENT 'Version of the key that it was hashed with',
    at DateTime64(3, 'UTC') COMMENT 'When the person was erased: records from before then come back without personal data'
)
ENGINE = ReplicatedReplacingMergeTree('/clickhouse/tables/{shard}/{database}/{table}', '{replica}', at)
ORDER BY recipient
COMMENT 'People erased: their hash remains so that what is read again stays erased, and senders can leave them out';

CREATE TABLE IF NOT EXISTS erased_recipients ON CLUSTER '{cluster}' AS erased_recipients_local
ENGINE = Distributed('{cluster}', currentDatabase(), 'erased_recipients_local', cityHash64(recipient));

CREATE TABLE IF NOT EXISTS erased_messages_local ON CLUSTER '{cluster}'
(
    campaign_id LowCardinality(String) COMMENT 'Campaign that the message belongs to',
    message_key UInt64 COMMENT 'Message within the campaign: still counted, no longer anyone''s',
    at DateTime64(3, 'UTC') COMMENT 'When its recipient was erased'
)
ENGINE = ReplicatedReplacingMergeTree('/clickhouse/tables/{shard}/{database}/{table}', '{replica}', at)
ORDER BY (campaign_id, message_key)
COMMENT 'Messages whose recipient was erased';

CREATE TABLE IF NOT EXISTS erased_messages ON CLUSTER '{cluster}' AS erased_messages_local
ENGINE = Distributed('{cluster}', currentDatabase(), 'erased_messages_local', cityHash64(campaign_id, message_key));

CREATE TABLE IF NOT EXISTS erased_ids_local ON CLUSTER '{cluster}'
(
    provider LowCardinality(String) COMMENT 'Who gave the id',
    provider_message_id FixedString(16) COMMENT 'Keyed hash of the id that the provider gave a message of the person',
    recipient String COMMENT 'Keyed hash of the person, as the outbound record had it: one id may cover several people',
    at DateTime64(3, 'UTC') COMMENT 'When the person was erased'
)
ENGINE = ReplicatedReplacingMergeTree('/clickhouse/tables/{shard}/{database}/{table}', '{replica}', at)
ORDER BY (provider, provider_message_id, recipient)
COMMENT 'Ids whose statuses are counted as erased, and nothing else';

CREATE TABLE IF NOT EXISTS erased_ids ON CLUSTER '{cluster}' AS erased_ids_local
ENGINE = Distributed('{cluster}', currentDatabase(), 'erased_ids_local', cityHash64(provider, provider_message_id));

ALTER TABLE flow_stats_local ON CLUSTER '{cluster}'
    ADD COLUMN IF NOT EXISTS erased UInt64 DEFAULT 0 COMMENT 'Events and records of people who were erased: dropped or blanked' AFTER matched;

ALTER TABLE flow_stats ON CLUSTER '{cluster}'
    ADD COLUMN IF NOT EXISTS erased UInt64 DEFAULT 0 COMMENT 'Events and records of people who were erased: dropped or blanked' AFTER matched;

ALTER TABLE unkeyed_local ON CLUSTER '{cluster}'
    ADD COLUMN IF NOT EXISTS older_hashes Array(Tuple(FixedString(16), String)) COMMENT 'Message id and recipient hashed by each older key that is kept, the oldest last' AFTER hash_version;

ALTER TABLE unkeyed ON CLUSTER '{cluster}'
    ADD COLUMN IF NOT EXISTS older_hashes Array(Tuple(FixedString(16), String)) COMMENT 'Message id and recipient hashed by each older key that is kept, the oldest last' AFTER hash_version;
