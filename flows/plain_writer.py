"""Plain status events as NDJSON lines for each lane's topic and partition."""

import zlib
from collections.abc import Iterator
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from flows.line_scan import write_lines
from flows.providers.plain_events import NUMBERS, PlainEvents
from flows.words import LENGTH_BITS, NOTHING, address
from schemas.statuses import Lane, Status

Lines: TypeAlias = tuple[str, int, bytes]
"""Topic, partition, whole lines."""

_LANES = list(Lane)
_LANE_OF = np.array([_LANES.index(status.lane) for status in Status])
_MOST_DIGITS = 20
_PADDING = 8


def plain_lines_by_topic(events: PlainEvents, partitions: int) -> Iterator[Lines]:
    """In the order of the events; null fields are left out."""
    places = _LANE_OF[events.statuses] * partitions + _partitions(events, partitions)
    order = np.argsort(places, kind="stable")
    lines, ends = _written(events, order)
    runs = np.flatnonzero(np.diff(places[order], append=-1))
    start = 0
    for last, end in zip(runs.tolist(), ends[runs].tolist(), strict=True):
        lane, partition = divmod(int(places[order[last]]), partitions)
        yield _LANES[lane].topic, partition, lines[start:end].tobytes()
        start = end


def _partitions(events: PlainEvents, partitions: int) -> NDArray[np.int64]:
    """`schemas.topics.partition_of` each."""
    keys = events.cells.get("message_key", np.full(len(events.statuses), NOTHING))
    hashes = np.array([zlib.crc32(name.encode()) for name in events.campaigns])[events.campaign]
    found: NDArray[np.int64] = (hashes % partitions + keys % partitions) % partitions
    foreign = np.flatnonzero(keys == NOTHING)
    found[foreign] = [zlib.crc32(name) % partitions for name in _foreign_names(events, foreign)]
    return found


def _foreign_names(events: PlainEvents, rows: NDArray[np.int64]) -> Iterator[bytes]:
    if not len(rows):
        return
    text = events.text.tobytes()
    both = (events.cells[name][rows].tolist() for name in ("provider", "provider_message_id"))
    for provider, message in zip(*both, strict=True):
        yield _text(text, provider) + b"\0" + _text(text, message)


def _text(text: bytes, cell: int) -> bytes:
    start = cell & 0xFFFFFFFF
    return text[start : start + (cell >> LENGTH_BITS)]


def _written(events: PlainEvents, order: NDArray[np.int64]) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    """The lines, and where each ends."""
    names = [f'"{name}":'.encode() for name in events.cells]
    are_texts = np.array([name not in NUMBERS for name in events.cells])
    cells = np.stack(list(events.cells.values()))
    name_ends, joined = (
        np.cumsum([len(name) for name in names]),
        np.frombuffer(b"".join([*names, bytes(_PADDING)]), np.uint8),
    )
    longest = len(joined) + len(names) * _MOST_DIGITS
    texts = np.maximum(cells[are_texts] >> LENGTH_BITS, 0).sum()
    lines = np.empty(int(texts) + len(order) * longest + _PADDING, np.uint8)
    where = address(joined), address(name_ends)
    return lines, write_lines(address(events.text), cells, are_texts, *where, order, address(lines))
