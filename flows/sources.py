"""Topics as a Bytewax source: one reader a worker, fixed slices as its parts, batches of whole records as its items."""

import threading
import time
from collections import deque
from collections.abc import Callable, Collection
from datetime import UTC, datetime, timedelta
from functools import cached_property
from typing import NamedTuple

from bytewax.inputs import FixedPartitionedSource, StatefulSourcePartition

from flows.gate import Brought
from flows.stopping import Stop
from flows.topics import Position, Reader, Record, list_partitions, open_producer, open_reader
from schemas.errors import TidemarkError
from schemas.settings import Settings

PARTS = 8
"""Partition p belongs to part p % PARTS, so that new partitions need no new part: Bytewax can't lose one again."""

_IDLE = timedelta(milliseconds=4)
_TURN_S = 0.002
"""Bytewax asks all parts of a source in one go, in far less than this, and only then runs what comes behind it."""
_SMALL_BYTES = 256 << 10
"""So little is worked off at once, without turns."""
_TOGETHER_BYTES = 4 << 20
"""Up to here what each batch costs in the decoder, four milliseconds, tells beside what its events do."""

Positions = dict[int, Position]


class Poll(NamedTuple):
    """Records of one part of a topic, in order."""

    topic: str
    records: list[Record]


def together(polls: list[Poll]) -> list[Poll]:
    """Small ones of one topic as one, in their order; for `flat_map_batch`, which is given what came at once."""
    if len(polls) == 1 or not _are_small(polls):
        return polls
    return [Poll(polls[0].topic, [record for poll in polls for record in poll.records])]


def _are_small(polls: list[Poll]) -> bool:
    """Looks no further than it must: there may be half a million records."""
    room = _TOGETHER_BYTES
    for poll in polls:
        for record in poll.records:
            room -= len(record.value)
            if room < 0:
                return False
    return True


Ends = Callable[[], bool]


class Feed(NamedTuple):
    """What a source reads, and whom it asks before and tells after."""

    topic: str
    group: str
    max_bytes: int
    opens: Callable[[], bool]
    polled: Callable[[Brought], None]
    lags: Callable[[int], None]
    ends: Ends
    """Whether nothing more will be written, so that the input may end where it was read to the end."""
    from_group: bool = True
    """Whether partitions without a snapshot start where the group stands. Only a flow that never ran may: what is
    committed can be ahead of what landed, and then a new partition's first records would be lost."""
    yields: bool = False
    """Whether other topics of the process go before this one."""
    worked_off: Callable[[], None] = lambda: None
    """Told when what a poll brought has gone through the flow."""


class TopicSource(FixedPartitionedSource[Poll, Positions]):
    """At-least-once: a snapshot holds what to read next; for who watches the lag it is committed at the next one."""

    def __init__(self, settings: Settings, feed: Feed, stop: Stop) -> None:
        self._settings = settings
        self._feed = feed
        self._stop = stop
        self._readers: dict[int, _WorkersReader] = {}
        self._lock = threading.Lock()

    def list_parts(self) -> list[str]:
        return [str(part) for part in range(PARTS)]

    def build_part(self, _step_id: str, for_part: str, resume_state: Positions | None) -> "_Part":
        with self._lock:
            worker = threading.get_ident()
            if worker not in self._readers:
                self._readers[worker] = _WorkersReader(self._settings, self._feed)
            return _Part(int(for_part), self._readers[worker], resume_state or {}, self._feed, self._stop)


class _WorkersReader:
    """The one reader of a worker thread, shared by its parts: each takes its own records from what a poll brought."""

    def __init__(self, settings: Settings, feed: Feed) -> None:
        self._settings = settings
        self._feed = feed
        self._reader: Reader | None = None
        self._positions: Positions = {}
        self._parts: set[int] = set()
        self._ready: dict[int, deque[tuple[list[Record], Positions]]] = {}
        self._next_turn = 0.0
        self._takes_turns = False
        self.awake: datetime | None = None
        """When all parts that have nothing are asked again: at once, so that what they bring is together."""
        self._is_handing_over = False

    def join(self, part: int, positions: Positions) -> None:
        """A part that comes later has the reader opened anew: where it stood, it goes on."""
        self._parts.add(part)
        self._positions |= positions
        self._ready[part] = deque()
        if self._reader:
            self._positions |= self._reader.positions()
            self._close()

    @cached_property
    def _slice(self) -> list[int]:
        """The partitions of this process. The broker is asked once for all parts, as each time takes a connection."""
        slice_ = self._settings.slice
        every = list_partitions(self._settings, self._feed.topic)
        return [number for number in every if number % slice_.of == slice_.index]

    def _partitions(self, parts: Collection[int]) -> list[int]:
        return [number for number in self._slice if number % PARTS in parts]

    def take(self, part: int) -> tuple[list[Record], Positions] | None:
        """The next records of a part and its positions behind them.

        Polls when no part has any in store: one whose partitions are empty would else fill memory with the others'.
        Where others go first, one part of a large poll has its turn at a time: what it hands over is worked off, and
        they are asked, before the next.
        """
        asks = part == min(self._parts)  # once a round: the gate counts who asks
        if asks:
            self.awake = datetime.now(UTC) + _IDLE
        if asks and not any(self._ready.values()):
            self._tell_worked_off()
            if self._feed.opens():
                self._poll()
        if not self._ready[part] or time.monotonic() < self._next_turn:
            return None
        if self._takes_turns:
            self._next_turn = time.monotonic() + _TURN_S
        return self._ready[part].popleft()

    def _tell_worked_off(self) -> None:
        """In the round after the one in which the last was handed over: between two Bytewax runs what comes behind."""
        if self._is_handing_over:
            self._is_handing_over = False
            self._feed.worked_off()

    def _poll(self) -> None:
        reader = self._open()
        records = reader.poll(self._feed.max_bytes, 0)
        brought = self._brought(sum(len(record.value) for record in records))
        self._feed.polled(brought)
        self._takes_turns = self._feed.yields and brought is not Brought.LITTLE
        by_part: dict[int, list[Record]] = {}
        for record in records:
            by_part.setdefault(record.partition % PARTS, []).append(record)
        self._is_handing_over = bool(by_part)
        positions = reader.positions() if by_part else {}
        for part, own in by_part.items():
            behind = {number: position for number, position in positions.items() if number % PARTS == part}
            self._ready[part].append((own, behind))

    def _brought(self, size: int) -> Brought:
        if size >= self._feed.max_bytes // 2:
            return Brought.MUCH
        return Brought.SOME if size > _SMALL_BYTES else Brought.LITTLE

    def _open(self) -> Reader:
        if self._reader is None:
            feed, mine = self._feed, self._partitions(self._parts)
            self._reader = open_reader(
                self._settings, feed.topic, mine, self._positions, feed.group, from_group=feed.from_group
            )
        return self._reader

    def lag(self) -> int:
        return sum(self._reader.lag().values()) if self._reader else 0

    def exhausted(self, part: int) -> bool:
        """Whether a part has delivered all that its partitions hold."""
        lag = self._reader.lag() if self._reader else dict.fromkeys(self._partitions({part}), 1)
        return not self._ready[part] and not any(behind for number, behind in lag.items() if number % PARTS == part)

    def commit(self, positions: Positions) -> None:
        if self._reader and positions:
            self._reader.commit(positions)

    def leave(self, part: int) -> None:
        """The reader goes with the last part; nothing of it waits any more, so that others need not wait for it."""
        self._parts.discard(part)
        if not self._parts:
            self._feed.polled(Brought.LITTLE)
            self._close()

    def _close(self) -> None:
        reader, self._reader = self._reader, None
        if reader:
            reader.close()


class _Part(StatefulSourcePartition[Poll, Positions]):
    def __init__(self, part: int, reader: _WorkersReader, positions: Positions, feed: Feed, stop: Stop) -> None:
        self._part = part
        self._reader = reader
        self._positions = positions
        self._snapshotted: Positions = {}
        self._feed = feed
        self._stop = stop
        self._awake: datetime | None = None
        self._lag_at = 0.0
        reader.join(part, positions)

    def next_batch(self) -> list[Poll]:
        if self._stop():
            raise StopIteration
        try:
            if self._at_end():
                raise StopIteration
            taken = self._reader.take(self._part)
            self._tell_lag()
        except TidemarkError as error:
            # In order: what was handed over lands and is snapshotted. Raised here, it would come with Bytewax's panic.
            self._stop.fail(error)
            raise StopIteration from None
        self._awake = None if taken else self._reader.awake
        if taken is None:
            return []
        records, behind = taken
        self._positions = self._positions | behind
        return [Poll(self._feed.topic, records)]

    def _at_end(self) -> bool:
        """Asked in this order: what was written before the writers ended is seen by the lag."""
        return self._feed.ends() and self._reader.exhausted(self._part)

    def _tell_lag(self) -> None:
        if time.monotonic() - self._lag_at > 1:
            self._lag_at = time.monotonic()
            self._feed.lags(self._reader.lag())

    def next_awake(self) -> datetime | None:
        return self._awake

    def snapshot(self) -> Positions:
        """The one before is committed: durable by now, but where a step of the dataflow takes longer than an epoch."""
        try:
            self._reader.commit(self._snapshotted)
        except TidemarkError as error:
            self._stop.fail(error)
            raise
        self._snapshotted = dict(self._positions)
        return self._snapshotted

    def close(self) -> None:
        self._reader.leave(self._part)


def make_topics(settings: Settings, *topics: str) -> None:
    """Make those that don't exist; raises TopicError."""
    producer = open_producer(settings)
    try:
        for topic in topics:
            producer.partitions(topic)
    finally:
        producer.close()
