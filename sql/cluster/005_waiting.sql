-- Made from sql/migrations/005_waiting.sql by `python -m sql.sharding`.

CREATE TABLE IF NOT EXISTS outbound_ids_local ON CLUSTER '{cluster}'
(
    provider LowCardinality(String) COMMENT 'Who gave the id',
    provider_message_id FixedString(16) COMMENT 'Keyed hash of the id that the provider gave the message',
    recipient String COMMENT 'Keyed hash of the recipient: tells messages apart where one id covers several',
    campaign_id LowCardinality(String) COMMENT 'Campaign that the message belongs to',
    message_key UInt64 COMMENT 'Message within the campaign',
    attempt UInt8 COMMENT 'Which try at sending it',
    sent_at Nullable(DateTime64(3, 'UTC')) COMMENT 'When that try was first handed to the provider',
    month Date COMMENT 'Month that the attempt was sent in'
)
ENGINE = ReplicatedReplacingMergeTree('/clickhouse/tables/{shard}/{database}/{table}', '{replica}')
PARTITION BY month
ORDER BY (provider, provider_message_id, recipient, campaign_id, message_key, attempt)
TTL month + INTERVAL 13 MONTH
SETTINGS ttl_only_drop_parts = 1
COMMENT 'From a provider''s id to our message: read grouped by all of its key';

CREATE TABLE IF NOT EXISTS outbound_ids ON CLUSTER '{cluster}' AS outbound_ids_local
ENGINE = Distributed('{cluster}', currentDatabase(), 'outbound_ids_local', cityHash64(campaign_id, message_key));

CREATE MATERIALIZED VIEW IF NOT EXISTS outbound_ids_mv ON CLUSTER '{cluster}' TO outbound_ids_local AS
SELECT provider, provider_message_id, recipient, campaign_id, message_key, attempt, sent_at, month
FROM outbound_local
WHERE provider_message_id != '';

CREATE TABLE IF NOT EXISTS waiting_local ON CLUSTER '{cluster}'
(
    provider LowCardinality(String) COMMENT 'Who reported it',
    provider_message_id FixedString(16) COMMENT 'Keyed hash of the provider''s message id, by the newest key',
    recipient String COMMENT 'Keyed hash of the recipient, by the newest key; empty where not given',
    status Enum8('accepted' = 1, 'rejected' = 2, 'sent' = 3, 'deferred' = 4, 'delivered' = 5, 'read' = 6, 'clicked' = 7, 'failed' = 8, 'complained' = 9, 'unsubscribed' = 10, 'resubscribed' = 11, 'unknown' = 12) COMMENT 'Status reported',
    error_code LowCardinality(String) COMMENT 'Reason, empty where none was given',
    raw_status LowCardinality(String) COMMENT 'The status in the provider''s own word',
    event_time DateTime64(3, 'UTC') COMMENT 'When it happened, as the provider says',
    received_at DateTime64(3, 'UTC') COMMENT 'When the report reached us',
    older_hashes Array(Tuple(FixedString(16), String)) COMMENT 'Message id and recipient hashed by each older key that is kept',
    inserted_at DateTime64(3, 'UTC') DEFAULT now64(3, 'UTC') COMMENT 'When it began to wait',
    pending Int8 DEFAULT 1 COMMENT '1: waits; -1: was matched, and takes the row that waits away'
)
ENGINE = ReplicatedCollapsingMergeTree('/clickhouse/tables/{shard}/{database}/{table}', '{replica}', pending)
ORDER BY (provider, provider_message_id, recipient, status, error_code, raw_status, event_time)
TTL toDate(received_at) + INTERVAL 30 DAY
COMMENT 'Statuses without our ids, apart from all counts until an outbound record tells whose they are: read with FINAL';

CREATE TABLE IF NOT EXISTS waiting ON CLUSTER '{cluster}' AS waiting_local
ENGINE = Distributed('{cluster}', currentDatabase(), 'waiting_local', cityHash64(provider, provider_message_id));

CREATE TABLE IF NOT EXISTS unkeyed_local ON CLUSTER '{cluster}'
(
    place UInt64 COMMENT 'Place of the record in the topic: the message''s key, if this is the first record with that id',
    campaign_id LowCardinality(String) COMMENT 'Campaign that the message belongs to',
    attempt UInt8 COMMENT 'Which try at sending the message, from 1',
    type LowCardinality(String) COMMENT 'What the sender says of it',
    reason LowCardinality(String) COMMENT 'Of screened: why it was not sent',
    outcome LowCardinality(String) COMMENT 'Of settled: sent or lost',
    final Bool COMMENT 'Of rejected: it will not be tried again',
    error_code LowCardinality(String) COMMENT 'Of rejected: the provider''s reason',
    at DateTime64(3, 'UTC') COMMENT 'When it happened',
    sent_at Nullable(DateTime64(3, 'UTC')) COMMENT 'When this attempt was first handed to the provider',
    channel LowCardinality(String) COMMENT 'sms, whatsapp, email, push, …',
    provider LowCardinality(String) COMMENT 'Who was to deliver it',
    sender LowCardinality(String) COMMENT 'Number, address or account that it was sent from',
    template LowCardinality(String) COMMENT 'Template of the message',
    country LowCardinality(String) COMMENT 'ISO 3166 country of the recipient',
    recipient String COMMENT 'Keyed hash of the recipient',
    provider_message_id FixedString(16) COMMENT 'Keyed hash of the provider''s message id',
    hash_version UInt8 COMMENT 'Version of the key that both were hashed with',
    pending Int8 DEFAULT 1 COMMENT '1: waits for its key; -1: has it'
)
ENGINE = ReplicatedCollapsingMergeTree('/clickhouse/tables/{shard}/{database}/{table}', '{replica}', pending)
ORDER BY (provider, provider_message_id, recipient, place)
COMMENT 'Outbound records of senders that number nothing, until their message has a key: read with FINAL';

CREATE TABLE IF NOT EXISTS unkeyed ON CLUSTER '{cluster}' AS unkeyed_local
ENGINE = Distributed('{cluster}', currentDatabase(), 'unkeyed_local', cityHash64(provider, provider_message_id));
