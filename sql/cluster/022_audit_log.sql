-- Made from sql/migrations/022_audit_log.sql by `python -m sql.sharding`.

CREATE TABLE IF NOT EXISTS audit_log_local ON CLUSTER '{cluster}'
(
    at DateTime64(3, 'UTC') COMMENT 'When it was done',
    actor String COMMENT 'Who did it: user@host, or the process',
    action LowCardinality(String) COMMENT 'What: erase, export, send, kill_switch, discard, rebuild, …',
    subject String COMMENT 'To what: a campaign, a switch, the keyed hash of a person; never personal data',
    details String COMMENT 'More, as JSON',
    previous String COMMENT 'Hash of the entry before; empty for the first',
    hash String COMMENT 'SHA-256, in hex, over all the columns above'
)
ENGINE = ReplicatedMergeTree('/clickhouse/tables/{shard}/{database}/{table}', '{replica}')
ORDER BY (at, hash)
COMMENT 'Append-only and hash-chained: python -m sql.audit verify tells whether an entry was changed or taken out';

CREATE TABLE IF NOT EXISTS audit_log ON CLUSTER '{cluster}' AS audit_log_local
ENGINE = Distributed('{cluster}', currentDatabase(), 'audit_log_local', 0);
