"""What a topic held when it was asked: from its beginning, or from positions of an earlier reading, to its end."""

import time
from collections.abc import Iterator, Mapping

from flows.topics import Position, Reader, Record, list_partitions, open_reader
from schemas.errors import TopicDown
from schemas.settings import Settings

GROUP = "tidemark.history"
"""Nothing is ever committed under it: it reads from the earliest line there is."""
_POLL_BYTES = 16 << 20
_POLL_S = 0.25
_PATIENCE_S = 30.0


class Past:
    """Records of all partitions, or of one, in the order of each; what is appended meanwhile may come along, or not."""

    def __init__(
        self,
        settings: Settings,
        topic: str,
        start: Mapping[int, Position] | None = None,
        partition: int | None = None,
    ) -> None:
        self._settings = settings
        self._topic = topic
        self._partition = partition
        self._positions = dict(start or {})

    def positions(self) -> dict[int, Position]:
        """Where the next reading goes on: behind all that `polls` handed over."""
        return dict(self._positions)

    def polls(self) -> Iterator[list[Record]]:
        """Raises TopicError: an unknown topic, a broker that goes silent, a range that no longer exists."""
        every = list_partitions(self._settings, self._topic)
        numbers = every if self._partition is None else [self._partition]
        reader = open_reader(self._settings, self._topic, numbers, self._positions or None, GROUP)
        try:
            yield from self._read(reader)
        finally:
            self._positions = reader.positions()
            reader.close()

    def _read(self, reader: Reader) -> Iterator[list[Record]]:
        left, heard_s = reader.lag(), time.monotonic()
        while any(behind > 0 for behind in left.values()):
            before = reader.positions()
            records = reader.poll(_POLL_BYTES, _POLL_S)
            if records:
                heard_s = time.monotonic()
                yield records
            elif not _counts_offsets(before):
                return  # an ended segment's torn tail is counted as bytes, and is no line
            elif time.monotonic() - heard_s > _PATIENCE_S:
                raise TopicDown(f"topic {self._topic}: nothing came for {_PATIENCE_S:.0f} s, {left} still to come")
            left = _less(left, before, reader.positions(), records)


def _counts_offsets(positions: Mapping[int, Position]) -> bool:
    return any(isinstance(position, int) for position in positions.values())


def _less(
    left: Mapping[int, int],
    before: Mapping[int, Position],
    after: Mapping[int, Position],
    records: list[Record],
) -> dict[int, int]:
    """What is left of each partition: offsets on Kafka, bytes in files."""
    taken = dict.fromkeys(left, 0)
    for record in records:
        taken[record.partition] += record.oversized or len(record.value)
    for number, position in after.items():
        was = before[number]
        if isinstance(position, int) and isinstance(was, int):
            taken[number] = position - was
    return {number: behind - taken[number] for number, behind in left.items()}
