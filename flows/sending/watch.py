"""What every sender process hears: orders, suppressions, opt-outs that webhooks bring, and whom others write to."""

import logging
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import Literal

import msgspec
from msgspec import Struct

from flows.sending.audience import TO, frozen_path, open_frozen
from flows.sending.caps import Caps
from flows.sending.control import Orders
from flows.sending.ledger_writer import LedgerWriter
from flows.sending.suppression import Change, Suppressions, encode_change
from flows.stopping import Stop
from flows.topics import Position, Reader, list_partitions, open_reader
from schemas.errors import TidemarkError, UsageError
from schemas.settings import Settings
from schemas.statuses import Lane
from schemas.topics import OUTBOUND, SEND_CONTROL, SEND_SUPPRESSIONS

log = logging.getLogger(__name__)

_POLL_BYTES = 8 << 20
_LOOK_EVERY_S = 0.1
_OPT_OUT_GROUP = "tidemark.send.opt-outs"
_OPTS: dict[str, Literal["add", "remove"]] = {"complained": "add", "unsubscribed": "add", "resubscribed": "remove"}
_WORDS = tuple(f'"{status}"'.encode() for status in _OPTS)
_COMMIT_EVERY = 20


class _Event(Struct, gc=False):
    status: str = ""
    campaign_id: str | None = None
    message_key: int | None = None
    recipient: str | None = None
    channel: str | None = None
    received_at: int = 0


_decoder = msgspec.json.Decoder(_Event)


def read_all(settings: Settings, topic: str, take: Callable[[bytes], object]) -> Reader:
    """From the beginning to the end there is now; the reader stays open."""
    reader = open_reader(settings, topic, list_partitions(settings, topic), None, "tidemark.send")
    while any(reader.lag().values()):
        for record in reader.poll(_POLL_BYTES, _LOOK_EVERY_S):
            take(record.value)
    return reader


class Watch:
    """`catch_up`, then `start`; `ordered` is called with lines of orders.

    An opt-out that a webhook brings holds at once, and goes to the ledger. At-least-once: the group's place moves over
    a status only when the ledger has made durable what follows from it.
    """

    def __init__(
        self,
        settings: Settings,
        suppressions: Suppressions,
        caps: Caps | None,
        ledger: LedgerWriter,
        stop: Stop,
        ordered: Callable[[bytes], None],
    ) -> None:
        self._settings = settings
        self._suppressions = suppressions
        self._caps = caps
        self._ledger = ledger
        self._ordered = ordered
        self._ends = threading.Event()
        self._thread = stop.thread("watch", self._run)
        self._readers: list[tuple[Reader, Callable[[bytes], None]]] = []
        self._statuses: Reader | None = None
        self._durable: dict[int, Position] | None = None
        """How far into the statuses all that follows is durable; None: nothing new since the last commit."""

    def catch_up(self, orders: Orders) -> None:
        """So that the first message knows of all there is by now. Raises TidemarkError."""
        control = read_all(self._settings, SEND_CONTROL, orders.read)
        suppressed = read_all(self._settings, SEND_SUPPRESSIONS, self._suppressions.read)
        self._readers = [(control, self._ordered), (suppressed, self._suppressions.read)]
        if self._caps is not None:
            self._readers.append((read_all(self._settings, OUTBOUND, self._caps.read), self._caps.read))
        topic = Lane.OTHER.topic
        partitions = list_partitions(self._settings, topic)
        self._statuses = statuses = open_reader(self._settings, topic, partitions, None, _OPT_OUT_GROUP)
        while any(statuses.lag().values()):
            self._take_opt_outs(statuses, _LOOK_EVERY_S)

    def start(self) -> None:
        self._thread.start()

    def _run(self) -> None:
        rounds = 0
        while not self._ends.wait(_LOOK_EVERY_S):
            rounds += 1
            try:
                self._look()
                if rounds % _COMMIT_EVERY == 0:
                    self._commit()
            except TidemarkError as error:
                log.warning("%s", error)

    def _look(self) -> None:
        for reader, take in self._readers:
            for record in reader.poll(_POLL_BYTES, 0):
                take(record.value)
        assert self._statuses is not None
        self._take_opt_outs(self._statuses, 0)

    def _take_opt_outs(self, statuses: Reader, timeout_s: float) -> None:
        records = statuses.poll(_POLL_BYTES, timeout_s)
        if not records:
            return
        telling = [record.value for record in records if any(word in record.value for word in _WORDS)]
        changes = opt_outs(self._settings, b"\n".join(telling), self._suppressions)
        for change in changes:
            self._suppressions.take(change)
        positions = statuses.positions()
        self._ledger.put(
            [(SEND_SUPPRESSIONS, 0, encode_change(change)) for change in changes], lambda: self._keep(positions)
        )

    def _keep(self, positions: dict[int, Position]) -> None:
        """In the ledger's thread, which takes one after the other: before these all is durable."""
        self._durable = positions

    def _commit(self) -> None:
        positions, self._durable = self._durable, None
        if positions and self._statuses:
            self._statuses.commit(positions)

    def close(self) -> None:
        """Before the ledger, which is still to write what came last."""
        self._ends.set()
        if self._thread.is_alive():
            self._thread.join(5)
        with suppress(TidemarkError):  # read again by the next
            self._commit()
        for reader, _ in self._readers:
            reader.close()
        if self._statuses:
            self._statuses.close()


def opt_outs(settings: Settings, value: bytes, suppressions: Suppressions) -> list[Change]:
    """Whom complaints and opt-outs in lines of status events are from: by the event, else by our frozen audience."""
    events = [event for line in value.split(b"\n") if (event := _read(line))]
    planned = _planned(settings, [event for event in events if not event.recipient])
    changes = []
    for event in events:
        recipient = event.recipient or planned.get((event.campaign_id, event.message_key))
        if recipient:
            action, channel = _OPTS[event.status], event.channel or ""
            changes.append(suppressions.change(event.received_at, action, recipient, channel, event.status))
    return changes


def _read(line: bytes) -> _Event | None:
    """None of what asks for nothing here."""
    if not any(word in line for word in _WORDS):
        return None
    try:
        event = _decoder.decode(line)
    except (msgspec.MsgspecError, RecursionError):
        return None
    return event if event.status in _OPTS else None


def _planned(settings: Settings, events: list[_Event]) -> dict[tuple[str | None, int | None], str]:
    """Addresses by campaign and row; a file is opened once for all of its rows."""
    asked: dict[str, list[int]] = {}
    for event in events:
        if event.campaign_id is not None and event.message_key is not None:
            asked.setdefault(event.campaign_id, []).append(event.message_key)
    found: dict[tuple[str | None, int | None], str] = {}
    for campaign, keys in asked.items():
        with suppress(UsageError):  # none of ours
            rows = open_frozen(frozen_path(settings, campaign)).rows_at(keys)
            found |= {(campaign, seq): to for seq, to in rows.select("_seq", TO).iter_rows()}
    return found
