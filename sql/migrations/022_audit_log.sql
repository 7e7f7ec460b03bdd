-- Who did what: appended to, never changed; each entry holds the hash of the one before.

CREATE TABLE IF NOT EXISTS audit_log
(
    at DateTime64(3, 'UTC') COMMENT 'When it was done',
    actor String COMMENT 'Who did it: user@host, or the process',
    action LowCardinality(String) COMMENT 'What: erase, export, send, kill_switch, discard, rebuild, …',
    subject String COMMENT 'To what: a campaign, a switch, the keyed hash of a person; never personal data',
    details String COMMENT 'More, as JSON',
    previous String COMMENT 'Hash of the entry before; empty for the first',
    hash String COMMENT 'SHA-256, in hex, over all the columns above'
)
ENGINE = MergeTree
ORDER BY (at, hash)
COMMENT 'Append-only and hash-chained: python -m sql.audit verify tells whether an entry was changed or taken out';
