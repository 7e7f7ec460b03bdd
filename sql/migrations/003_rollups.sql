-- Sets of messages, one narrow table per question: a wide one with all dimensions takes fifteen times as long to read.

CREATE TABLE IF NOT EXISTS totals
(
    campaign_id LowCardinality(String) COMMENT 'Campaign that the messages belong to',
    month Date COMMENT 'Month that the attempt was sent in',
    status Enum8('accepted' = 1, 'rejected' = 2, 'sent' = 3, 'deferred' = 4, 'delivered' = 5, 'read' = 6, 'clicked' = 7, 'failed' = 8, 'complained' = 9, 'unsubscribed' = 10, 'resubscribed' = 11, 'unknown' = 12) COMMENT 'Status reported',
    provider LowCardinality(String) COMMENT 'Who reported it',
    error_code LowCardinality(String) COMMENT 'Reason, empty where none was given',
    retried Bool COMMENT 'Whether it was a second or later attempt',
    messages AggregateFunction(groupBitmap, UInt64) COMMENT 'Keys of the messages: a set, so that repeats and replays change nothing'
)
ENGINE = AggregatingMergeTree
PARTITION BY month
ORDER BY (campaign_id, status, provider, error_code, retried)
TTL month + INTERVAL 13 MONTH
SETTINGS ttl_only_drop_parts = 1
COMMENT 'Which messages reached which status: funnel, failures by reason, rates by provider';

CREATE MATERIALIZED VIEW IF NOT EXISTS totals_mv TO totals AS
SELECT campaign_id, month, status, provider, error_code, attempt > 1 AS retried, groupBitmapState(message_key) AS messages
FROM status_events
GROUP BY campaign_id, month, status, provider, error_code, retried;

CREATE TABLE IF NOT EXISTS minutes
(
    campaign_id LowCardinality(String) COMMENT 'Campaign that the messages belong to',
    month Date COMMENT 'Month that the attempt was sent in',
    status Enum8('accepted' = 1, 'rejected' = 2, 'sent' = 3, 'deferred' = 4, 'delivered' = 5, 'read' = 6, 'clicked' = 7, 'failed' = 8, 'complained' = 9, 'unsubscribed' = 10, 'resubscribed' = 11, 'unknown' = 12) COMMENT 'Status reported',
    minute DateTime('UTC') COMMENT 'Minute of the event',
    messages AggregateFunction(groupBitmap, UInt64) COMMENT 'Keys of the messages: a set, so that repeats and replays change nothing'
)
ENGINE = AggregatingMergeTree
PARTITION BY month
ORDER BY (campaign_id, status, minute)
TTL month + INTERVAL 13 MONTH
SETTINGS ttl_only_drop_parts = 1
COMMENT 'Which messages reached which status in which minute. A message can stand in two minutes (a repeat that named another time): it counts in the first';

CREATE MATERIALIZED VIEW IF NOT EXISTS minutes_mv TO minutes AS
SELECT campaign_id, month, status, toStartOfMinute(event_time) AS minute, groupBitmapState(message_key) AS messages
FROM status_events
GROUP BY campaign_id, month, status, minute;

CREATE TABLE IF NOT EXISTS latency
(
    campaign_id LowCardinality(String) COMMENT 'Campaign that the messages belong to',
    month Date COMMENT 'Month that the attempt was sent in',
    status Enum8('accepted' = 1, 'rejected' = 2, 'sent' = 3, 'deferred' = 4, 'delivered' = 5, 'read' = 6, 'clicked' = 7, 'failed' = 8, 'complained' = 9, 'unsubscribed' = 10, 'resubscribed' = 11, 'unknown' = 12) COMMENT 'Status reported',
    cell UInt32 COMMENT 'Lower bound of the latency in milliseconds; the next bound ends the cell',
    messages AggregateFunction(groupBitmap, UInt64) COMMENT 'Keys of the messages: a set, so that repeats and replays change nothing'
)
ENGINE = AggregatingMergeTree
PARTITION BY month
ORDER BY (campaign_id, status, cell)
TTL month + INTERVAL 13 MONTH
SETTINGS ttl_only_drop_parts = 1
COMMENT 'How long after sending messages reached each status. A message can stand in several cells: its smallest counts';

CREATE MATERIALIZED VIEW IF NOT EXISTS latency_mv TO latency AS
SELECT campaign_id, month, status, latency_cell AS cell, groupBitmapState(message_key) AS messages
FROM status_events
WHERE sent_at IS NOT NULL
GROUP BY campaign_id, month, status, cell;

CREATE TABLE IF NOT EXISTS latency_sample
(
    campaign_id LowCardinality(String) COMMENT 'Campaign that the messages belong to',
    month Date COMMENT 'Month that the attempt was sent in',
    status Enum8('accepted' = 1, 'rejected' = 2, 'sent' = 3, 'deferred' = 4, 'delivered' = 5, 'read' = 6, 'clicked' = 7, 'failed' = 8, 'complained' = 9, 'unsubscribed' = 10, 'resubscribed' = 11, 'unknown' = 12) COMMENT 'Status reported',
    cell UInt32 COMMENT 'Lower bound of the latency in milliseconds; the next bound ends the cell',
    messages AggregateFunction(groupBitmap, UInt64) COMMENT 'Keys of the messages: a set, so that repeats and replays change nothing'
)
ENGINE = AggregatingMergeTree
PARTITION BY month
ORDER BY (campaign_id, status, cell)
TTL month + INTERVAL 13 MONTH
SETTINGS ttl_only_drop_parts = 1
COMMENT 'As latency, of a fixed sixteenth of the messages: an estimate that is quick to read';

CREATE MATERIALIZED VIEW IF NOT EXISTS latency_sample_mv TO latency_sample AS
SELECT campaign_id, month, status, latency_cell AS cell, groupBitmapState(message_key) AS messages
FROM status_events
WHERE sent_at IS NOT NULL AND intHash32(message_key) % 16 = 0
GROUP BY campaign_id, month, status, cell;
