"""Bytewax as its documentation teaches it: KafkaSource, state by message, `collect`, a sink that inserts; recovery on.

`stateful_map` keyed by the event's id is the guide's way to deduplicate, `collect` its way to write in batches. What
the documentation leaves open is chosen in its favour: whole polls a batch (`batch_size`), msgspec for JSON, batches as
large as they come within a second, Tidemark's own insert.
"""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path
from typing import Any

import bytewax.operators as op
import msgspec
from bytewax.connectors.kafka import KafkaSource
from bytewax.dataflow import Dataflow
from bytewax.outputs import DynamicSink, StatelessSinkPartition
from bytewax.recovery import RecoveryConfig, init_db_dir
from bytewax.testing import cluster_main

from loadgen.bench.contest import Run, Task, compete
from loadgen.bench.peers.rows import BATCH_ROWS, StatusRows, event_id

_EPOCH = timedelta(seconds=5)
"""As Tidemark's."""

Event = dict[str, Any]


class _RowsSink(DynamicSink[list[Event]]):
    """Inserts by a thread of Python's, waited for: closing a chDB handle in one of Bytewax's can hang."""

    def __init__(self, rows: StatusRows) -> None:
        self._rows = rows
        self._thread = ThreadPoolExecutor(1)

    def build(self, _step_id: str, _worker_index: int, _worker_count: int) -> "_Partition":
        return _Partition(self._rows, self._thread)


class _Partition(StatelessSinkPartition[list[Event]]):
    def __init__(self, rows: StatusRows, thread: ThreadPoolExecutor) -> None:
        self._rows = rows
        self._thread = thread

    def write_batch(self, items: list[list[Event]]) -> None:
        for batch in items:
            self._thread.submit(self._rows.insert, batch).result()


def prepare(task: Task) -> Run:
    store = Path(task.folder) / "recovery"
    store.mkdir(parents=True)
    init_db_dir(store, 1)
    recovery = RecoveryConfig(str(store))
    rows = StatusRows(task.clickhouse)

    return lambda: cluster_main(_dataflow(task, rows), [], 0, epoch_interval=_EPOCH, recovery_config=recovery)


def _dataflow(task: Task, rows: StatusRows) -> Dataflow:
    source = KafkaSource([task.brokers], task.topics, tail=False, batch_size=1000)
    flow = Dataflow("stock")
    messages = op.input("kafka", flow, source)
    events = op.flat_map("decode", messages, _events)
    by_id = op.key_on("by_id", events, event_id)
    marked = op.stateful_map("seen", by_id, lambda seen, event: (True, None if seen else event))
    fresh = op.filter_map("fresh", marked, lambda keyed: keyed[1])
    batches = op.collect("batch", op.key_on("together", fresh, lambda _: "all"), timedelta(seconds=1), BATCH_ROWS)
    op.output("tables", op.key_rm("rows", batches), _RowsSink(rows))
    return flow


def _events(message: Any) -> Iterator[Event]:
    return map(_decode, message.value.splitlines())


_decode = msgspec.json.Decoder(Event).decode

if __name__ == "__main__":
    compete(prepare)
