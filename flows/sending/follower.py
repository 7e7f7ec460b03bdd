"""Follows the topics for one campaign: its records from the checkpoint on, decisions, statuses that settle doubts.

A checkpoint is a place in each topic before which nothing stands about any message that is still open: a mark is set
every second with how far the source had read by then, and counts once everything below that is settled. What was heard
before a mark is seen to before it is set.
"""

import logging
import threading
from collections.abc import Callable
from functools import partial
from typing import Literal

import msgspec
from msgspec import Struct

from flows.sending.ledger import Ledger
from flows.sending.runs import Told
from flows.stopping import Stop
from flows.topics import Position, Reader, list_partitions, open_reader
from schemas.errors import TidemarkError
from schemas.settings import Settings
from schemas.statuses import SENT_COHORT
from schemas.topics import OUTBOUND, STATUS_TOPICS

log = logging.getLogger(__name__)

TOPICS = (OUTBOUND, *STATUS_TOPICS)
_POLL_BYTES = 8 << 20
_LOOK_EVERY_S = 0.1
_MARK_EVERY = 10
_MOST_MARKS = 500
_TELLING = (b'"status"', b'"settled"')
_TAKEN = frozenset(status.value for status in SENT_COHORT)

Positions = dict[str, dict[int, Position]]
Call = Callable[[Callable[[], None]], None]


class _Line(Struct, gc=False):
    """Of a status event, or of a settled record."""

    campaign_id: str = ""
    message_key: int | None = None
    attempt: int = 1
    status: str = ""
    type: str = ""
    outcome: Literal["", "sent", "lost"] = ""


_decoder = msgspec.json.Decoder(_Line)


class Heard(Struct):
    """`reports`: (message, attempt) that the provider has; `decided`: also the outcome, by a person or by ourselves."""

    reports: list[tuple[int, int]]
    decided: list[tuple[int, int, Told]]


class Follower:
    """`catch_up` first, in the caller's thread; then `start`. `checkpoint` belongs where `call` does what it gets."""

    def __init__(self, settings: Settings, campaign_id: str, start: Positions) -> None:
        self._settings = settings
        self._tag = f'"campaign_id":"{campaign_id}"'.encode()
        self._campaign_id = campaign_id
        self._group = f"tidemark.send.{campaign_id}"
        self._readers: dict[str, Reader] = {}
        self._start = start
        self._marks: list[tuple[int, Positions]] = []
        self._ends = threading.Event()
        self._thread: threading.Thread | None = None

    def catch_up(self, ledger: Ledger) -> Heard:
        """Read all there is; raises TidemarkError."""
        for topic in TOPICS:
            partitions = list_partitions(self._settings, topic)
            self._readers[topic] = open_reader(self._settings, topic, partitions, self._start.get(topic), self._group)
        self._marks = [(0, self._positions())]
        heard = Heard([], [])
        for topic, reader in self._readers.items():
            while any(reader.lag().values()):
                for record in reader.poll(_POLL_BYTES, _LOOK_EVERY_S):
                    if topic == OUTBOUND:
                        ledger.add(record.value)
                    else:
                        self._hear(record.value, heard)
        return heard

    def start(self, stop: Stop, high: Callable[[], int], call: Call, hear: Callable[[Heard], None]) -> None:
        """Go on in a thread: `high` is how far the source has read; `call` does things elsewhere, in their order."""
        self._thread = stop.thread(f"follower {self._campaign_id}", lambda: self._run(high, call, hear))
        self._thread.start()

    def _run(self, high: Callable[[], int], call: Call, hear: Callable[[Heard], None]) -> None:
        rounds = 0
        while not self._ends.is_set():
            try:
                heard, more = self._look()
            except TidemarkError as error:
                log.warning("%s: %s", self._campaign_id, error)
                heard, more = Heard([], []), False
            if heard.reports or heard.decided:
                call(partial(hear, heard))
            rounds += 1
            if rounds % _MARK_EVERY == 0:
                positions = self._positions()
                call(partial(self._mark, high(), positions))  # asked after: what is read from now on comes after these
            if not more:
                self._ends.wait(_LOOK_EVERY_S)

    def _look(self) -> tuple[Heard, bool]:
        heard, read = Heard([], []), 0
        for reader in self._readers.values():
            for record in reader.poll(_POLL_BYTES, 0):
                read += len(record.value)
                self._hear(record.value, heard)
        return heard, read >= _POLL_BYTES

    def _hear(self, value: bytes, heard: Heard) -> None:
        # Of our own records, two for each message, hardly any says what is asked for here.
        if self._tag not in value or not any(word in value for word in _TELLING):
            return
        for line in value.split(b"\n"):
            if self._tag not in line or not any(word in line for word in _TELLING):
                continue
            try:
                told = _decoder.decode(line)
            except (msgspec.MsgspecError, RecursionError):
                continue
            if told.campaign_id != self._campaign_id or told.message_key is None:
                continue
            if told.status in _TAKEN:
                heard.reports.append((told.message_key, told.attempt))
            elif told.type == "settled" and told.outcome:
                heard.decided.append((told.message_key, told.attempt, told.outcome))

    def _positions(self) -> Positions:
        return {topic: dict(reader.positions()) for topic, reader in self._readers.items()}

    def _mark(self, high: int, positions: Positions) -> None:
        self._marks.append((high, positions))
        if len(self._marks) > _MOST_MARKS:
            self._marks = [self._marks[0], *self._marks[2::2]]

    def checkpoint(self, low: int, *, stays: bool) -> Positions:
        """The latest places that hold for everything from message `low` on; or where it was the last time."""
        while not stays and len(self._marks) > 1 and self._marks[1][0] <= low:
            del self._marks[0]
        return self._marks[0][1]

    def close(self) -> None:
        self._ends.set()
        if self._thread:
            self._thread.join(5)
        for reader in self._readers.values():
            reader.close()
