-- What the live page reads: two more rollups, counts of closed minutes, the pulse of each campaign, check results, keys.
-- What can be united from a finer table is: a row of status_events costs its insert 0.2 us for every view on it.

CREATE TABLE IF NOT EXISTS reached
(
    campaign_id LowCardinality(String) COMMENT 'Campaign that the messages belong to',
    month Date COMMENT 'Month that the attempt was sent in',
    status Enum8('accepted' = 1, 'rejected' = 2, 'sent' = 3, 'deferred' = 4, 'delivered' = 5, 'read' = 6, 'clicked' = 7, 'failed' = 8, 'complained' = 9, 'unsubscribed' = 10, 'resubscribed' = 11, 'unknown' = 12) COMMENT 'Status reported',
    retried Bool COMMENT 'Whether it was a second or later attempt',
    messages AggregateFunction(groupBitmap, UInt64) COMMENT 'Keys of the messages: a set, so that repeats and replays change nothing'
)
ENGINE = AggregatingMergeTree
PARTITION BY month
ORDER BY (campaign_id, status, retried)
TTL month + INTERVAL 13 MONTH
SETTINGS ttl_only_drop_parts = 1
COMMENT 'Which messages reached which status, and nothing else: the funnel is read from it in half the time that totals takes';

CREATE MATERIALIZED VIEW IF NOT EXISTS reached_mv TO reached AS
SELECT campaign_id, month, status, retried, groupBitmapMergeState(messages) AS messages
FROM totals
GROUP BY campaign_id, month, status, retried;

-- From what stands: sets, so that doing it again changes nothing.
INSERT INTO reached SELECT campaign_id, month, status, retried, groupBitmapMergeState(messages) FROM totals GROUP BY ALL;

CREATE TABLE IF NOT EXISTS provider_latency
(
    campaign_id LowCardinality(String) COMMENT 'Campaign that the messages belong to',
    month Date COMMENT 'Month that the attempt was sent in',
    status Enum8('accepted' = 1, 'rejected' = 2, 'sent' = 3, 'deferred' = 4, 'delivered' = 5, 'read' = 6, 'clicked' = 7, 'failed' = 8, 'complained' = 9, 'unsubscribed' = 10, 'resubscribed' = 11, 'unknown' = 12) COMMENT 'Status reported',
    provider LowCardinality(String) COMMENT 'Who reported it',
    cell UInt32 COMMENT 'Lower bound of the latency in milliseconds; the next bound ends the cell',
    messages AggregateFunction(groupBitmap, UInt64) COMMENT 'Keys of the messages: a set, so that repeats and replays change nothing'
)
ENGINE = AggregatingMergeTree
PARTITION BY month
ORDER BY (campaign_id, status, provider, cell)
TTL month + INTERVAL 13 MONTH
SETTINGS ttl_only_drop_parts = 1
COMMENT 'As latency, by provider and of a fixed sixteenth of the messages: an estimate that is quick to read';

CREATE MATERIALIZED VIEW IF NOT EXISTS provider_latency_mv TO provider_latency AS
SELECT campaign_id, month, status, provider, latency_cell AS cell, groupBitmapState(message_key) AS messages
FROM status_events
WHERE sent_at IS NOT NULL AND intHash32(message_key) % 16 = 0
GROUP BY campaign_id, month, status, provider, cell;

INSERT INTO provider_latency
SELECT campaign_id, month, status, provider, latency_cell AS cell, groupBitmapState(message_key)
FROM status_events
WHERE sent_at IS NOT NULL AND intHash32(message_key) % 16 = 0
GROUP BY campaign_id, month, status, provider, cell;

DROP VIEW IF EXISTS latency_sample_mv;

CREATE MATERIALIZED VIEW IF NOT EXISTS latency_sample_mv TO latency_sample AS
SELECT campaign_id, month, status, cell, groupBitmapMergeState(messages) AS messages
FROM provider_latency
GROUP BY campaign_id, month, status, cell;

INSERT INTO latency_sample
SELECT campaign_id, month, status, cell, groupBitmapMergeState(messages) FROM provider_latency GROUP BY ALL;

CREATE TABLE IF NOT EXISTS closed_minutes
(
    campaign_id LowCardinality(String) COMMENT 'Campaign that the messages belong to',
    status Enum8('accepted' = 1, 'rejected' = 2, 'sent' = 3, 'deferred' = 4, 'delivered' = 5, 'read' = 6, 'clicked' = 7, 'failed' = 8, 'complained' = 9, 'unsubscribed' = 10, 'resubscribed' = 11, 'unknown' = 12) COMMENT 'Status reported',
    minute DateTime('UTC') CODEC(Delta, LZ4) COMMENT 'Minute of the event',
    messages UInt64 COMMENT 'Messages that first reached the status in that minute',
    counted_at DateTime64(3, 'UTC') COMMENT 'When this was counted'
)
ENGINE = ReplacingMergeTree(counted_at)
ORDER BY (campaign_id, status, minute)
TTL toDate(minute) + INTERVAL 13 MONTH
COMMENT 'Minutes of large campaigns, recomputed whole from `minutes` in the background: read with FINAL, before `closed_until` of closed_sets';

CREATE TABLE IF NOT EXISTS closed_sets
(
    campaign_id LowCardinality(String) COMMENT 'Campaign that the messages belong to',
    status Enum8('accepted' = 1, 'rejected' = 2, 'sent' = 3, 'deferred' = 4, 'delivered' = 5, 'read' = 6, 'clicked' = 7, 'failed' = 8, 'complained' = 9, 'unsubscribed' = 10, 'resubscribed' = 11, 'unknown' = 12) COMMENT 'Status reported',
    closed_until DateTime('UTC') COMMENT 'First minute that is not in closed_minutes',
    messages AggregateFunction(groupBitmap, UInt64) COMMENT 'All messages that stand in a closed minute',
    counted_at DateTime64(3, 'UTC') COMMENT 'When this was counted'
)
ENGINE = ReplacingMergeTree(counted_at)
ORDER BY (campaign_id, status)
TTL toDate(closed_until) + INTERVAL 13 MONTH
COMMENT 'The union of the closed minutes: what open minutes add is what is not in it. Read with FINAL';

CREATE TABLE IF NOT EXISTS pulse
(
    campaign_id LowCardinality(String) COMMENT 'Campaign',
    at DateTime64(3, 'UTC') CODEC(Delta, LZ4) COMMENT 'When the figures were read',
    provider LowCardinality(String) COMMENT 'Provider that the figures are of; empty: all together',
    sent UInt64 COMMENT 'Messages of the cohort sent, then',
    delivered UInt64 COMMENT 'Messages reported delivered, then',
    read UInt64 COMMENT 'Messages read, then',
    clicked UInt64 COMMENT 'Messages clicked, then',
    failed UInt64 COMMENT 'Messages failed and nothing better, then',
    reasons Map(LowCardinality(String), UInt64) COMMENT 'Messages by reason of failure, then; only where provider is empty'
)
ENGINE = MergeTree
ORDER BY (campaign_id, provider, at)
TTL toDate(at) + INTERVAL 30 DAY
COMMENT 'What the live page showed at a moment, each few seconds of a running campaign: readings of a gauge, never added up';

CREATE TABLE IF NOT EXISTS check_runs
(
    at DateTime64(3, 'UTC') COMMENT 'When the check ended',
    name LowCardinality(String) COMMENT 'File in sql/checks',
    wrong UInt64 COMMENT 'Rows that it found wrong and kept finding: 0 when exact',
    seconds Float64 COMMENT 'How long it took',
    first_wrong String COMMENT 'The first of those rows'
)
ENGINE = MergeTree
ORDER BY (name, at)
TTL toDate(at) + INTERVAL 30 DAY
COMMENT 'Results of the exactness checks that the API runs in the background';

CREATE TABLE IF NOT EXISTS api_keys
(
    key_id String COMMENT 'Name of the key, given in its text before the dot',
    hash FixedString(32) COMMENT 'SHA-256 of its secret part, 256 random bits',
    label String COMMENT 'Whose it is',
    scopes Array(LowCardinality(String)) COMMENT 'read, export, admin',
    created_at DateTime64(3, 'UTC') COMMENT 'When it was made',
    revoked Bool COMMENT 'Whether it opens no more',
    at DateTime64(3, 'UTC') COMMENT 'When this row was written: the latest holds'
)
ENGINE = ReplacingMergeTree(at)
ORDER BY key_id
COMMENT 'Keys to the API, hashed: read with FINAL';

ALTER TABLE outbound ADD INDEX IF NOT EXISTS recipients recipient TYPE bloom_filter(0.01) GRANULARITY 4;
