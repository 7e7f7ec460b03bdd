"""Writing and reading whole topics, as the tests need it."""

import time
from collections.abc import Iterable
from pathlib import Path

import msgspec

from flows.topics import Position, Reader, Record, open_producer, open_reader
from schemas.settings import Settings

GROUP = "tidemark.test"


def file_settings(root: Path, partitions: int = 1) -> Settings:
    return Settings(broker=f"file://{root}", partitions=partitions)


def accepting_gaps(settings: Settings) -> Settings:
    return msgspec.structs.replace(settings, accept_gap=True)


def numbered(numbers: Iterable[int]) -> bytes:
    """One NDJSON line for each."""
    return b"".join(b'{"n":%d}\n' % number for number in numbers)


def write(settings: Settings, topic: str, partition: int, lines: bytes) -> None:
    producer = open_producer(settings)
    try:
        producer.append(topic, partition, lines)
        producer.flush()
    finally:
        producer.close()


def drain(reader: Reader, count: int, max_bytes: int = 1_000_000, within_s: float = 20.0) -> list[Record]:
    """Poll until `count` lines came, and once more for such as should not come."""
    records: list[Record] = []
    deadline_s = time.monotonic() + within_s
    while len(lines_of(records)) < count and time.monotonic() < deadline_s:
        records += reader.poll(max_bytes, 0.05)
    return records + reader.poll(max_bytes, 0.1)


def read_lines(
    settings: Settings,
    topic: str,
    count: int,
    partitions: Iterable[int] = (0,),
    start: dict[int, Position] | None = None,
) -> list[bytes]:
    reader = open_reader(settings, topic, list(partitions), start, GROUP)
    try:
        return lines_of(drain(reader, count))
    finally:
        reader.close()


def lines_of(records: Iterable[Record]) -> list[bytes]:
    return [line for record in records for line in record.value.splitlines()]


def placed(records: Iterable[Record]) -> dict[int, bytes]:
    """Lines by place; fails where two lines share one."""
    pairs = [(record.place + i, line) for record in records for i, line in enumerate(record.value.splitlines())]
    assert len(dict(pairs)) == len(pairs)
    return dict(pairs)
