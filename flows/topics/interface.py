"""What every kind of topic offers: records to read, a producer to write with, a reader to read with."""

from typing import Any, Protocol

from msgspec import Struct

Position = int | dict[str, Any]
"""Where a reader goes on in one partition; plain values that pickle and turn into JSON.

Kafka: the next offset. File: `{"next": first segment not seen yet, "open": [[segment, byte offset, line number], …]}`
with one entry for each seen segment that is not read to its end.
"""

LINE_LIMIT_BYTES = 16 * 1024 * 1024
"""A longer line is refused by producers, and handed over cut by readers."""

MAX_PARTITIONS = 1024
"""Partition numbers take ten bits of a place."""


class Record(Struct, frozen=True, gc=False):
    """A run of whole lines, read from one partition.

    `offset` names where it starts (Kafka: the offset; file: segment number << 40 | byte offset). Line i of `value` has
    the place `place + i`: a 63-bit number, bit 62 set, the same at each reading and used for no other line of the topic
    (`flows.topics.places`). `value` has "\\n" between lines, and maybe one after the last.

    `oversized` is 0, or the true size in bytes of something too long to take: a line beyond `LINE_LIMIT_BYTES`, or a
    Kafka record with more lines than can be numbered. `value` is then its beginning only, good for a dead letter.

    No named tuple: the garbage collector follows those, which with one event a record cost 1.2 of 2.8 µs.
    """

    partition: int
    offset: int
    place: int
    value: bytes
    oversized: int = 0


class Producer(Protocol):
    """Writes whole lines; used by one thread at a time. At-least-once.

    After an error, what was appended since the last `flush` that returned may or may not be there: append it again.
    """

    def partitions(self, topic: str) -> int:
        """How many partitions `topic` has; makes it with `settings.partitions` of them where it does not exist.

        Raises TopicDown, TopicError.
        """

    def append(self, topic: str, partition: int, lines: bytes) -> None:
        """Take `lines`: NDJSON, each ending in a newline. Not durable before `flush`.

        Raises BadRecord (`oversized`) for a line beyond `LINE_LIMIT_BYTES`, with nothing taken; TopicFull where there
        is no room, with nothing of `lines` kept; TopicDown, TopicError.
        """

    def flush(self) -> None:
        """Return when everything appended is durable; raises TopicDown, TopicFull, TopicError where it is not."""

    def close(self) -> None:
        """Let go of files and connections, without a flush; never raises."""


class Reader(Protocol):
    """Reads some partitions of one topic, each in its order; used by one thread at a time.

    After an error, open another at `positions`: they cover all that `poll` handed over and nothing else.
    """

    def poll(self, max_bytes: int, timeout_s: float) -> list[Record]:
        """What there is to read: as soon as there is something, some `max_bytes` of it; nothing after `timeout_s`.

        A broker that is down is waited for. Raises TopicGap where the next range no longer exists and
        `settings.accept_gap` is unset; TopicError.
        """

    def positions(self) -> dict[int, Position]:
        """By partition, where to go on behind what `poll` returned: what a snapshot keeps and `open_reader` takes."""

    def lag(self) -> dict[int, int]:
        """By partition, what is still to be read: offsets (Kafka, as last heard) or bytes (file)."""

    def commit(self, positions: dict[int, Position]) -> None:
        """Publish `positions` under the group, for lag tools and for a start without positions; cheap."""

    def close(self) -> None:
        """Let go of files and connections; never raises."""
