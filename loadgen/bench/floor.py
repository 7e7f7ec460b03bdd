"""What can't be avoided, each alone: `python -m loadgen.bench.floor consume|decode|insert TASK`.

consume  records out of the topics by the bare client, values taken
decode   lines to typed columns: no checks, no cut into shards, one thread
insert   those columns into the tables with all their views, sorted before the clock starts, in blocks as the flow's
"""

import sys
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import polars as pl
from confluent_kafka import Consumer, TopicPartition

from flows.lines import Lines
from flows.status_events import typed
from flows.status_lines import read_status_lines
from flows.topics import Record, list_partitions, open_reader
from flows.writer import STATUS_EVENTS, Table, blocks, by_table
from loadgen.bench.contest import Run, Task, compete
from schemas.settings import Settings
from sql.warehouse import Warehouse

_POLL_BYTES = 48 << 20


def consume(task: Task) -> Run:
    """By librdkafka as it comes, but for a queue that is refilled at once (by default it rests a second)."""
    if task.broker.startswith("file://"):
        return lambda: _drop(_polls(task))
    options = {"fetch.queue.backoff.ms": 5, "enable.auto.commit": False, "auto.offset.reset": "earliest"}
    consumer = Consumer({"bootstrap.servers": task.brokers, "group.id": task.name, **options})
    ends = {
        (topic, number): consumer.get_watermark_offsets(TopicPartition(topic, number), timeout=10)[1]
        for topic in task.topics
        for number in consumer.list_topics(topic, timeout=10).topics[topic].partitions
    }
    return lambda: _consume(consumer, ends)


def _consume(consumer: Consumer, ends: dict[tuple[str, int], int]) -> None:
    consumer.assign([TopicPartition(topic, number, 0) for topic, number in ends])
    left = sum(ends.values())
    while left:
        left -= sum(message.value() is not None for message in consumer.consume(min(left, 1000), 0.2))
    consumer.close()


def decode(task: Task) -> Run:
    polls = list(_polls(task))
    return lambda: _drop(_frame(poll) for poll in polls)


def insert(task: Task) -> Run:
    frame = pl.concat([_frame(poll) for poll in _polls(task)])
    ready = [sorted_ for block in blocks(frame) for _, sorted_ in by_table([Table(STATUS_EVENTS, block)])]
    warehouse = Warehouse(task.clickhouse)
    warehouse.query("SELECT 1")
    return lambda: _insert(warehouse, ready)


def _insert(warehouse: Warehouse, ready: list[pl.DataFrame]) -> None:
    for block in ready:
        warehouse.insert(STATUS_EVENTS, block)


def _frame(records: list[Record]) -> pl.DataFrame:
    return typed(read_status_lines(Lines(records)).frame)


def _polls(task: Task) -> Iterator[list[Record]]:
    """All that the topics hold, as the flow is handed it."""
    settings = Settings(broker=task.broker, recovery=str(Path(task.folder) / "recovery"))
    for topic in task.topics:
        reader = open_reader(settings, topic, list_partitions(settings, topic), None, task.name)
        try:
            while any(reader.lag().values()):
                if poll := reader.poll(_POLL_BYTES, 0.2):
                    yield poll
        finally:
            reader.close()


def _drop(things: Iterable[object]) -> None:
    for _ in things:
        pass


STAGES: dict[str, Callable[[Task], Run]] = {"consume": consume, "decode": decode, "insert": insert}

if __name__ == "__main__":
    compete(STAGES[sys.argv.pop(1)])
