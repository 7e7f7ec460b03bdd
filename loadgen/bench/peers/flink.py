"""Flink SQL's deduplication as its documentation teaches it (`ROW_NUMBER`, the first to come), to a blackhole.

It is spared the insert: no free sink for ClickHouse comes with it. In its favour: state on the heap and not in RocksDB
(a third faster), two slots for two cores. Checkpoints every second on disk, as what it leaves is exactly-once. How many
rows the query lets through is counted by the same query once more, after the clock has stopped.
"""

import os
from pathlib import Path

from pyflink.table import EnvironmentSettings, TableEnvironment

from loadgen.bench.contest import Count, Run, Task, compete

_FIELDS = """
    campaign_id STRING, message_key BIGINT, attempt INT, status STRING, raw_status STRING, event_time BIGINT,
    received_at BIGINT, sent_at BIGINT, channel STRING, provider STRING, provider_message_id STRING, recipient STRING,
    receipt_id STRING
"""
_DEDUPLICATED = """
CREATE TEMPORARY VIEW fresh AS
SELECT campaign_id, message_key, attempt, status, raw_status, event_time, received_at, sent_at, channel, provider,
    provider_message_id, recipient, receipt_id
FROM (
    SELECT *, ROW_NUMBER() OVER (PARTITION BY campaign_id, message_key, attempt, status ORDER BY read_at ASC) AS n
    FROM events
)
WHERE n = 1
"""


def prepare(task: Task) -> Run:
    table = TableEnvironment.create(EnvironmentSettings.in_streaming_mode())
    jars = ";".join(jar.as_uri() for jar in Path(os.environ["PEER_JARS"]).glob("*.jar"))
    for name, value in {
        "pipeline.jars": jars,
        "parallelism.default": "2",
        "state.backend.type": "hashmap",
        "execution.checkpointing.interval": "1s",
        "execution.checkpointing.storage": "filesystem",
        "execution.checkpointing.dir": (Path(task.folder) / "checkpoints").as_uri(),
    }.items():
        table.get_config().set(name, value)
    table.execute_sql(
        f"""
        CREATE TABLE events ({_FIELDS}, read_at AS PROCTIME()) WITH (
            'connector' = 'kafka',
            'properties.bootstrap.servers' = '{task.brokers}',
            'properties.group.id' = '{task.name}',
            'topic' = '{";".join(task.topics)}',
            'scan.startup.mode' = 'earliest-offset',
            'scan.bounded.mode' = 'latest-offset',
            'format' = 'json'
        )
        """
    )
    table.execute_sql(_DEDUPLICATED)
    table.execute_sql(f"CREATE TABLE nowhere ({_FIELDS}) WITH ('connector' = 'blackhole')")

    def run() -> Count:
        table.execute_sql("INSERT INTO nowhere SELECT * FROM fresh").wait()
        return lambda: _count(table)

    return run


def _count(table: TableEnvironment) -> int:
    for name, value in {"enabled": "true", "allow-latency": "5s", "size": "100000"}.items():
        table.get_config().set(f"table.exec.mini-batch.{name}", value)
    last = 0
    with table.execute_sql("SELECT COUNT(*) FROM fresh").collect() as rows:
        for row in rows:
            last = row[0]
    return int(last)


if __name__ == "__main__":
    compete(prepare)
