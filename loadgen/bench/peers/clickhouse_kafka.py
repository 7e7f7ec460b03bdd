"""ClickHouse's Kafka table engine into the same tables and views, in chDB. It doesn't deduplicate; the tables do.

A server would do this by a materialized view on the Kafka table; chDB refuses that background consumer, so a loop of
INSERT SELECT drives the same engine, and spares it the pauses between polls (by default it gathers for up to 7.5 s).
Its consumer's end is not timed, in its favour. Block and poll sizes are the best of those tried (65,536 to 1,048,576
rows), inserts have Tidemark's settings.
"""

import atexit
from contextlib import suppress

from chdb._exceptions import ChdbError
from chdb.session import Session

from loadgen.bench.contest import Run, Task, compete
from sql.warehouse import INSERT_SETTINGS

_BLOCK_ROWS = 262_144
_FIELDS = {
    "campaign_id": "String",
    "message_key": "UInt64",
    "attempt": "UInt8",
    "status": "String",
    "provider": "String",
    "raw_status": "String",
    "event_time": "Int64",
    "received_at": "Int64",
    "sent_at": "Int64",
}
_TIMES = ("event_time", "received_at", "sent_at")
_SETTINGS = {**INSERT_SETTINGS, "stream_like_engine_allow_direct_select": 1, "input_format_skip_unknown_fields": 1}
_ROWS_READ = "SELECT value FROM system.events WHERE event = 'KafkaRowsRead'"


def prepare(task: Task) -> Run:
    session = Session(task.clickhouse.removeprefix("chdb://"))
    session.query("USE tidemark")
    with suppress(ChdbError):  # it refuses the background consumer that comes with the table, and makes the table
        session.query(_table(task))
    atexit.register(_end, session)
    return lambda: _consume(session, task.events)


def _table(task: Task) -> str:
    return f"""
    CREATE TABLE kafka_events ({", ".join(f"{name} {kind}" for name, kind in _FIELDS.items())})
    ENGINE = Kafka
    SETTINGS
        kafka_broker_list = '{task.brokers}',
        kafka_topic_list = '{",".join(task.topics)}',
        kafka_group_name = '{task.name}',
        kafka_format = 'JSONEachRow',
        kafka_num_consumers = 1,
        kafka_max_block_size = {_BLOCK_ROWS},
        kafka_poll_max_batch_size = 4000,
        kafka_poll_timeout_ms = 200,
        kafka_flush_interval_ms = 500,
        kafka_commit_on_select = 1
    """


def _consume(session: Session, events: int) -> None:
    columns = ", ".join(f"fromUnixTimestamp64Milli({name})" if name in _TIMES else name for name in _FIELDS)
    settings = ", ".join(f"{name} = {value}" for name, value in _SETTINGS.items())
    statement = (
        f"INSERT INTO status_events ({', '.join(_FIELDS)}) SETTINGS {settings} SELECT {columns} FROM kafka_events"
    )
    while _rows_read(session) < events:
        session.query(statement)


def _end(session: Session) -> None:
    session.query("DROP TABLE kafka_events SYNC")
    session.close()


def _rows_read(session: Session) -> int:
    with suppress(ValueError):  # no such event yet
        return int(session.query(_ROWS_READ, "TabSeparated").bytes().decode())
    return 0


if __name__ == "__main__":
    compete(prepare)
