"""Bytewax sinks: into tables by a writer a worker, and into a topic by a producer a worker."""

import threading
from collections.abc import Callable

from bytewax.outputs import FixedPartitionedSink, StatefulSinkPartition

from flows.stopping import Stop
from flows.topics import Producer
from flows.writer import Table, Writer
from schemas.errors import TidemarkError

SINK_PARTS = 8
"""Rows go to the part of their shard; all parts of a worker write through one writer."""


class WarehouseSink(FixedPartitionedSink[Table, None]):
    """Tables of one lane into ClickHouse, a batch at a time.

    At-least-once: rows have landed before the epoch that brought them closes. A replay lands rows again, which the
    tables' engines make harmless.
    """

    def __init__(self, make_writer: Callable[[], Writer], before_drain: Callable[[], None]) -> None:
        self._make_writer = make_writer
        self._before_drain = before_drain
        self._writers: dict[int, Writer] = {}
        self._lock = threading.Lock()

    def list_parts(self) -> list[str]:
        return [str(part) for part in range(SINK_PARTS)]

    def part_fn(self, item_key: str) -> int:
        return int(item_key.partition(":")[0])

    def build_part(self, _step_id: str, _for_part: str, _resume_state: None) -> "_WarehousePart":
        with self._lock:
            worker = threading.get_ident()
            if worker not in self._writers:
                self._writers[worker] = self._make_writer()
            return _WarehousePart(self._writers[worker], self._before_drain)


class _WarehousePart(StatefulSinkPartition[Table, None]):
    def __init__(self, writer: Writer, before_drain: Callable[[], None]) -> None:
        self._writer = writer
        self._before_drain = before_drain

    def write_batch(self, values: list[Table]) -> None:
        for table in values:
            self._writer.put(table)

    def snapshot(self) -> None:
        self._before_drain()
        self._writer.drain()

    def close(self) -> None:
        self._writer.close()


class TopicSink(FixedPartitionedSink[tuple[str, int, bytes], None]):
    """(topic, partition, lines) into topics. At-least-once: durable before the epoch that brought them closes."""

    def __init__(self, make_producer: Callable[[], Producer], stop: Stop) -> None:
        self._make_producer = make_producer
        self._stop = stop

    def list_parts(self) -> list[str]:
        return ["0"]

    def build_part(self, _step_id: str, _for_part: str, _resume_state: None) -> "_TopicPart":
        return _TopicPart(self._make_producer(), self._stop)


class _TopicPart(StatefulSinkPartition[tuple[str, int, bytes], None]):
    def __init__(self, producer: Producer, stop: Stop) -> None:
        self._producer = producer
        self._stop = stop

    def write_batch(self, values: list[tuple[str, int, bytes]]) -> None:
        try:
            for topic, partition, lines in values:
                self._producer.append(topic, partition % self._producer.partitions(topic), lines)
        except TidemarkError as error:
            self._stop.fail(error)
            raise

    def snapshot(self) -> None:
        try:
            self._producer.flush()
        except TidemarkError as error:
            self._stop.fail(error)
            raise

    def close(self) -> None:
        self._producer.close()
