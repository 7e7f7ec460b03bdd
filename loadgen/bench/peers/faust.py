"""faust-streaming as its documentation teaches it: an agent, a Table in RocksDB, batches by `take`, acknowledged after.

A table can't be written from a `take` loop (faust-streaming/faust#497), so records are decoded and deduplicated in a
processor of the stream, where Faust knows whose partition they are. The table holds the offset of the record that an id
came with first: that record, read again after a crash, passes again. Its changelog topic can't be left out; recovery
reads from it what RocksDB lacks. In its favour: a changelog buffer of more than a hundred messages, where reading
pauses by default (#173), sent in batches of a megabyte; uvloop, keys and values as bytes, msgspec for JSON, inserts
beside the event loop.
"""

import asyncio
from typing import Any, NamedTuple

import faust
import msgspec
import uvloop
from aiokafka.admin import AIOKafkaAdminClient

from loadgen.bench.contest import Run, Task, compete
from loadgen.bench.peers.rows import BATCH_ROWS, StatusRows, event_id

_RECORDS = BATCH_ROWS // 100
"""A batch, at the hundred events a record that it is given."""
_BATCH_AGE_S = 1.0
_CHANGELOG_BUFFER = 10_000
_decode = msgspec.json.Decoder(dict[str, Any]).decode


class _Read(NamedTuple):
    """One record."""

    events: int
    fresh: list[dict[str, Any]]


class _FirstSeen:
    """The stream's processor."""

    def __init__(self, offsets: faust.Table) -> None:
        self._offsets = offsets

    def __call__(self, lines: bytes) -> _Read:
        offset = str(faust.current_event().message.offset).encode()
        events = [_decode(line) for line in lines.splitlines()]
        return _Read(len(events), [event for event in events if self._is_first(event_id(event).encode(), offset)])

    def _is_first(self, name: bytes, offset: bytes) -> bool:
        first = self._offsets.get(name)
        if first is None:
            self._offsets[name] = offset
        return first is None or first == offset


def prepare(task: Task) -> Run:
    loop = uvloop.new_event_loop()
    asyncio.set_event_loop(loop)
    partitions = loop.run_until_complete(_count_partitions(task))
    rows = StatusRows(task.clickhouse)
    done = asyncio.Event()
    app = _app(task, partitions, rows, done)

    return lambda: loop.run_until_complete(_run(app, done))


async def _count_partitions(task: Task) -> int:
    """A table must have as many as the topics that fill it."""
    admin = AIOKafkaAdminClient(bootstrap_servers=task.brokers)
    await admin.start()
    described = await admin.describe_topics(task.topics[:1])
    await admin.close()
    return len(described[0]["partitions"])


def _app(task: Task, partitions: int, rows: StatusRows, done: asyncio.Event) -> faust.App:
    app = faust.App(
        task.name,
        broker=task.broker,
        store="rocksdb://",
        datadir=f"{task.folder}/faust",
        topic_partitions=partitions,
        consumer_auto_offset_reset="earliest",
        producer_max_batch_size=1_000_000,
        producer_compression_type="lz4",
        key_serializer="raw",
        value_serializer="raw",
        web_enabled=False,
    )
    offsets = app.Table("offsets", partitions=partitions, key_type=bytes, value_type=bytes)
    left = task.events

    @app.agent(app.topic(*task.topics, key_type=bytes, value_type=bytes))
    async def land(records: faust.StreamT[_Read]) -> None:
        nonlocal left
        records.add_processor(_FirstSeen(offsets))
        async for batch in records.take(_RECORDS, within=_BATCH_AGE_S):
            await asyncio.to_thread(rows.insert, [event for read in batch for event in read.fresh])
            left -= sum(read.events for read in batch)
            if not left:
                done.set()

    return app


async def _run(app: faust.App, done: asyncio.Event) -> None:
    await app.start()
    app.producer.buffer.max_messages = _CHANGELOG_BUFFER
    await done.wait()
    await app.stop()


if __name__ == "__main__":
    compete(prepare)
