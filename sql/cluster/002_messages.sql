-- Made from sql/migrations/002_messages.sql by `python -m sql.sharding`.

CREATE TABLE IF NOT EXISTS messages_local ON CLUSTER '{cluster}'
(
    campaign_id LowCardinality(String) COMMENT 'Campaign that the message belongs to',
    message_key UInt64 CODEC(Delta, LZ4) COMMENT 'Message within the campaign',
    month Date COMMENT 'Month that the attempt was sent in',
    accepted_at SimpleAggregateFunction(min, DateTime64(3, 'UTC')) DEFAULT toDateTime64('2299-01-01 00:00:00', 3, 'UTC') COMMENT 'When the provider first took the message; 2299-01-01: never',
    rejected_at SimpleAggregateFunction(min, DateTime64(3, 'UTC')) DEFAULT toDateTime64('2299-01-01 00:00:00', 3, 'UTC') COMMENT 'When the provider first refused the message; 2299-01-01: never',
    sent_at SimpleAggregateFunction(min, DateTime64(3, 'UTC')) DEFAULT toDateTime64('2299-01-01 00:00:00', 3, 'UTC') COMMENT 'When the provider first passed the message on; 2299-01-01: never',
    deferred_at SimpleAggregateFunction(min, DateTime64(3, 'UTC')) DEFAULT toDateTime64('2299-01-01 00:00:00', 3, 'UTC') COMMENT 'When the provider first put delivery off; 2299-01-01: never',
    delivered_at SimpleAggregateFunction(min, DateTime64(3, 'UTC')) DEFAULT toDateTime64('2299-01-01 00:00:00', 3, 'UTC') COMMENT 'When the provider first reported delivery; 2299-01-01: never',
    read_at SimpleAggregateFunction(min, DateTime64(3, 'UTC')) DEFAULT toDateTime64('2299-01-01 00:00:00', 3, 'UTC') COMMENT 'When the provider first reported that it was read; 2299-01-01: never',
    clicked_at SimpleAggregateFunction(min, DateTime64(3, 'UTC')) DEFAULT toDateTime64('2299-01-01 00:00:00', 3, 'UTC') COMMENT 'When the provider first reported a click; 2299-01-01: never',
    failed_at SimpleAggregateFunction(min, DateTime64(3, 'UTC')) DEFAULT toDateTime64('2299-01-01 00:00:00', 3, 'UTC') COMMENT 'When the provider first reported failure; 2299-01-01: never',
    complained_at SimpleAggregateFunction(min, DateTime64(3, 'UTC')) DEFAULT toDateTime64('2299-01-01 00:00:00', 3, 'UTC') COMMENT 'When the provider first reported a complaint; 2299-01-01: never',
    unsubscribed_at SimpleAggregateFunction(min, DateTime64(3, 'UTC')) DEFAULT toDateTime64('2299-01-01 00:00:00', 3, 'UTC') COMMENT 'When the provider first reported an opt-out; 2299-01-01: never'
)
ENGINE = ReplicatedAggregatingMergeTree('/clickhouse/tables/{shard}/{database}/{table}', '{replica}')
PARTITION BY month
ORDER BY (campaign_id, message_key)
TTL month + INTERVAL 13 MONTH
SETTINGS ttl_only_drop_parts = 1
COMMENT 'Partial rows of each message, merged in the background: read it through v_messages, or group by message and take the minimum';

CREATE TABLE IF NOT EXISTS messages ON CLUSTER '{cluster}' AS messages_local
ENGINE = Distributed('{cluster}', currentDatabase(), 'messages_local', cityHash64(campaign_id, message_key));

CREATE MATERIALIZED VIEW IF NOT EXISTS messages_mv ON CLUSTER '{cluster}' TO messages_local AS
SELECT
    campaign_id,
    message_key,
    month,
    if(status = 'accepted', event_time, toDateTime64('2299-01-01 00:00:00', 3, 'UTC')) AS accepted_at,
    if(status = 'rejected', event_time, toDateTime64('2299-01-01 00:00:00', 3, 'UTC')) AS rejected_at,
    if(status = 'sent', event_time, toDateTime64('2299-01-01 00:00:00', 3, 'UTC')) AS sent_at,
    if(status = 'deferred', event_time, toDateTime64('2299-01-01 00:00:00', 3, 'UTC')) AS deferred_at,
    if(status = 'delivered', event_time, toDateTime64('2299-01-01 00:00:00', 3, 'UTC')) AS delivered_at,
    if(status = 'read', event_time, toDateTime64('2299-01-01 00:00:00', 3, 'UTC')) AS read_at,
    if(status = 'clicked', event_time, toDateTime64('2299-01-01 00:00:00', 3, 'UTC')) AS clicked_at,
    if(status = 'failed', event_time, toDateTime64('2299-01-01 00:00:00', 3, 'UTC')) AS failed_at,
    if(status = 'complained', event_time, toDateTime64('2299-01-01 00:00:00', 3, 'UTC')) AS complained_at,
    if(status = 'unsubscribed', event_time, toDateTime64('2299-01-01 00:00:00', 3, 'UTC')) AS unsubscribed_at
FROM status_events_local;

CREATE OR REPLACE VIEW v_messages ON CLUSTER '{cluster}' AS
SELECT
    campaign_id,
    message_key,
    nullIf(min(m.accepted_at), toDateTime64('2299-01-01 00:00:00', 3, 'UTC')) AS accepted_at,
    nullIf(min(m.rejected_at), toDateTime64('2299-01-01 00:00:00', 3, 'UTC')) AS rejected_at,
    nullIf(min(m.sent_at), toDateTime64('2299-01-01 00:00:00', 3, 'UTC')) AS sent_at,
    nullIf(min(m.deferred_at), toDateTime64('2299-01-01 00:00:00', 3, 'UTC')) AS deferred_at,
    nullIf(min(m.delivered_at), toDateTime64('2299-01-01 00:00:00', 3, 'UTC')) AS delivered_at,
    nullIf(min(m.read_at), toDateTime64('2299-01-01 00:00:00', 3, 'UTC')) AS read_at,
    nullIf(min(m.clicked_at), toDateTime64('2299-01-01 00:00:00', 3, 'UTC')) AS clicked_at,
    nullIf(min(m.failed_at), toDateTime64('2299-01-01 00:00:00', 3, 'UTC')) AS failed_at,
    nullIf(min(m.complained_at), toDateTime64('2299-01-01 00:00:00', 3, 'UTC')) AS complained_at,
    nullIf(min(m.unsubscribed_at), toDateTime64('2299-01-01 00:00:00', 3, 'UTC')) AS unsubscribed_at,
    multiIf(
        isNotNull(clicked_at), 'clicked',
        isNotNull(read_at), 'read',
        isNotNull(delivered_at), 'delivered',
        isNotNull(failed_at), 'failed',
        isNotNull(sent_at) OR isNotNull(accepted_at) OR isNotNull(deferred_at) OR isNotNull(complained_at), 'sent',
        isNotNull(rejected_at), 'rejected',
        'other') AS state
FROM messages AS m
GROUP BY campaign_id, message_key
COMMENT 'Each message once: when it first reached each status (NULL: not reported), and how far it got. A failure is final only while nothing better is known';
