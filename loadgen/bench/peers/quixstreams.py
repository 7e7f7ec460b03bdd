"""Quix Streams as its documentation teaches it: `apply(expand)`, a stateful `filter`, a sink flushed by checkpoints.

State is RocksDB on disk, and in changelog topics: a commit writes offsets first and RocksDB afterwards, so that one
who is killed between the two gets back what it remembered from the changelog alone. In its favour: checkpoints as far
apart as Tidemark's, one insert a checkpoint instead of one for each partition (`BaseSink` instead of `BatchingSink`),
msgspec for JSON.
"""

from pathlib import Path
from typing import Any

import msgspec
from quixstreams import Application, State
from quixstreams.sinks import BaseSink

from loadgen.bench.contest import Run, Task, compete
from loadgen.bench.peers.rows import BATCH_ROWS, StatusRows, event_id

_CHECKPOINT_S = 5.0
_decode = msgspec.json.Decoder(dict[str, Any]).decode


class _RowsSink(BaseSink):
    """At-least-once: rows are written before the checkpoint that covers them is committed."""

    def __init__(self, rows: StatusRows) -> None:
        super().__init__()
        self._rows = rows
        self._batch: list[dict[str, Any]] = []

    def add(self, value: Any, **_: Any) -> None:
        self._batch.append(value)

    def flush(self) -> None:
        if self._batch:
            self._rows.insert(self._batch)
            self._batch = []


class _Counting:
    """Decodes, and ends the application once it has seen all there is."""

    def __init__(self, events: int) -> None:
        self.left = events

    def events(self, lines: bytes) -> list[dict[str, Any]]:
        decoded = [_decode(line) for line in lines.splitlines()]
        self.left -= len(decoded)
        return decoded


def _is_first(event: dict[str, Any], state: State) -> bool:
    name = event_id(event)
    if state.exists(name):
        return False
    state.set(name, True)
    return True


def prepare(task: Task, *, changelog: bool = True) -> Run:
    counting = _Counting(task.events)
    rows = StatusRows(task.clickhouse)

    def processed(*_: Any) -> None:
        if not counting.left:
            app.stop()

    app = Application(
        broker_address=task.brokers,
        consumer_group=task.name,
        auto_offset_reset="earliest",
        state_dir=Path(task.folder) / "state",
        use_changelog_topics=changelog,
        commit_interval=_CHECKPOINT_S,
        commit_every=BATCH_ROWS,
        on_message_processed=processed,
        loglevel="WARNING",
    )
    sink = _RowsSink(rows)
    for name in task.topics:
        events = app.dataframe(app.topic(name, value_deserializer="bytes")).apply(counting.events, expand=True)
        events.filter(_is_first, stateful=True).sink(sink)

    def run() -> None:
        app.run()

    return run


if __name__ == "__main__":
    compete(prepare)
