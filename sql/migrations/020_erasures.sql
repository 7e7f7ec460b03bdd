-- Who asked to be forgotten: hashes only, kept so that a replay does not bring them back.

CREATE TABLE IF NOT EXISTS erased_recipients
(
    recipient FixedString(16) COMMENT 'Keyed hash of the recipient, one row for each kept key and spelling',
    hash_version UInt8 COMMENT 'Version of the key that it was hashed with',
    at DateTime64(3, 'UTC') COMMENT 'When the person was erased: records from before then come back without personal data'
)
ENGINE = ReplacingMergeTree(at)
ORDER BY recipient
COMMENT 'People erased: their hash remains so that what is read again stays erased, and senders can leave them out';

CREATE TABLE IF NOT EXISTS erased_messages
(
    campaign_id LowCardinality(String) COMMENT 'Campaign that the message belongs to',
    message_key UInt64 COMMENT 'Message within the campaign: still counted, no longer anyone''s',
    at DateTime64(3, 'UTC') COMMENT 'When its recipient was erased'
)
ENGINE = ReplacingMergeTree(at)
ORDER BY (campaign_id, message_key)
COMMENT 'Messages whose recipient was erased';

CREATE TABLE IF NOT EXISTS erased_ids
(
    provider LowCardinality(String) COMMENT 'Who gave the id',
    provider_message_id FixedString(16) COMMENT 'Keyed hash of the id that the provider gave a message of the person',
    recipient String COMMENT 'Keyed hash of the person, as the outbound record had it: one id may cover several people',
    at DateTime64(3, 'UTC') COMMENT 'When the person was erased'
)
ENGINE = ReplacingMergeTree(at)
ORDER BY (provider, provider_message_id, recipient)
COMMENT 'Ids whose statuses are counted as erased, and nothing else';

ALTER TABLE flow_stats
    ADD COLUMN IF NOT EXISTS erased UInt64 DEFAULT 0 COMMENT 'Events and records of people who were erased: dropped or blanked' AFTER matched;

ALTER TABLE unkeyed
    ADD COLUMN IF NOT EXISTS older_hashes Array(Tuple(FixedString(16), String)) COMMENT 'Message id and recipient hashed by each older key that is kept, the oldest last' AFTER hash_version;
