"""Pathway as its documentation teaches it: Kafka connectors, `deduplicate` by id, a subscriber that inserts.

`deduplicate` keeps an id's first event: its acceptor, in Python, is asked only about repeats. Persistence is on, as far
as the free edition has it: the input is logged on disk and read again after a crash (snapshots of operators' state,
exactly-once and the ClickHouse connector need a licence). In its favour: JSON parsed by its own engine, so one event a
record; bounded reading (`mode="static"`) instead of a stop from outside; Tidemark's own insert.
One worker, as by default.
"""

from typing import Any

import pathway as pw

from loadgen.bench.contest import Run, Task, compete
from loadgen.bench.peers.rows import BATCH_ROWS, StatusRows

_CHECKPOINT_MS = 5_000
"""As Tidemark's."""


class _Event(pw.Schema):
    campaign_id: str
    message_key: int
    attempt: int
    status: str
    provider: str
    raw_status: str
    event_time: int
    received_at: int
    sent_at: int


class _Batches:
    """What the subscriber calls. At-least-once: rows are written before the time that they belong to is closed."""

    def __init__(self, rows: StatusRows) -> None:
        self._rows = rows
        self._batch: list[dict[str, Any]] = []

    def add(self, key: pw.Pointer, row: dict[str, Any], time: int, is_addition: bool) -> None:  # noqa: ARG002 - Pathway's
        self._batch.append(row)
        if len(self._batch) >= BATCH_ROWS:
            self.flush(time)

    def flush(self, _time: int = 0) -> None:
        if self._batch:
            self._rows.insert(self._batch)
            self._batch = []


def prepare(task: Task) -> Run:
    rows = StatusRows(task.clickhouse)
    kafka = {"bootstrap.servers": task.brokers, "group.id": task.name, "auto.offset.reset": "earliest"}
    for topic in task.topics:
        batches = _Batches(rows)
        events = pw.io.kafka.read(kafka, topic, schema=_Event, format="json", mode="static", name=topic)
        fresh = events.deduplicate(
            value=pw.this.attempt,
            instance=pw.make_tuple(pw.this.campaign_id, pw.this.message_key, pw.this.attempt, pw.this.status),
            acceptor=lambda _new, _old: False,
            name=f"{topic}.fresh",
        )
        pw.io.subscribe(fresh, on_change=batches.add, on_time_end=batches.flush, on_end=batches.flush)
    state = pw.persistence.Backend.filesystem(f"{task.folder}/state")
    persistence = pw.persistence.Config(state, snapshot_interval_ms=_CHECKPOINT_MS)

    return lambda: pw.run(monitoring_level=pw.MonitoringLevel.NONE, persistence_config=persistence)


if __name__ == "__main__":
    compete(prepare)
