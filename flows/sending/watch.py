"""What every sender process hears: orders, suppressions, and opt-outs that webhooks bring."""

import logging
import threading
from collections.abc import Callable
from pathlib import Path

import msgspec
import polars as pl
from msgspec import Struct

from flows.sending.audience import TO, frozen_path, open_frozen
from flows.sending.control import Orders
from flows.sending.suppression import Change, Suppressions
from flows.topics import Reader, list_partitions, open_reader
from schemas.errors import TidemarkError
from schemas.settings import Settings
from schemas.statuses import Lane
from schemas.topics import SEND_CONTROL, SEND_SUPPRESSIONS

log = logging.getLogger(__name__)

_POLL_BYTES = 8 << 20
_LOOK_EVERY_S = 0.1
_OPT_OUT_GROUP = "tidemark.send.opt-outs"
_OPTS = {"complained": "add", "unsubscribed": "add", "resubscribed": "remove"}
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
    """`catch_up`, then `start`; `ordered` is called with lines of orders, `opted` with changes from webhooks."""

    def __init__(
        self,
        settings: Settings,
        suppressions: Suppressions,
        ordered: Callable[[bytes], None],
        opted: Callable[[list[Change]], None],
    ) -> None:
        self._settings = settings
        self._suppressions = suppressions
        self._ordered = ordered
        self._opted = opted
        self._ends = threading.Event()
        self._thread = threading.Thread(target=self._run, name="watch", daemon=True)
        self._readers: list[tuple[Reader, Callable[[bytes], None]]] = []
        self._statuses: Reader | None = None
        self._rounds = 0

    def catch_up(self, orders: Orders) -> None:
        """Raises TidemarkError."""
        control = read_all(self._settings, SEND_CONTROL, orders.read)
        suppressed = read_all(self._settings, SEND_SUPPRESSIONS, self._suppressions.read)
        self._readers = [(control, self._ordered), (suppressed, self._suppressions.read)]
        topic = Lane.OTHER.topic
        self._statuses = open_reader(
            self._settings, topic, list_partitions(self._settings, topic), None, _OPT_OUT_GROUP
        )

    def start(self) -> None:
        self._thread.start()

    def _run(self) -> None:
        while not self._ends.wait(_LOOK_EVERY_S):
            try:
                for reader, take in self._readers:
                    for record in reader.poll(_POLL_BYTES, 0):
                        take(record.value)
                self._look_for_opt_outs()
            except TidemarkError as error:
                log.warning("%s", error)

    def _look_for_opt_outs(self) -> None:
        assert self._statuses is not None
        changes: list[Change] = []
        for record in self._statuses.poll(_POLL_BYTES, 0):
            if any(word in record.value for word in _WORDS):
                changes += opt_outs(self._settings, record.value, self._suppressions)
        if changes:
            self._opted(changes)
        self._rounds += 1
        if self._rounds % _COMMIT_EVERY == 0:
            self._statuses.commit(self._statuses.positions())

    def close(self) -> None:
        self._ends.set()
        if self._thread.is_alive():
            self._thread.join(5)
        for reader, _ in self._readers:
            reader.close()
        if self._statuses:
            self._statuses.close()


def opt_outs(settings: Settings, value: bytes, suppressions: Suppressions) -> list[Change]:
    """Whom complaints and opt-outs in lines of status events are from: by the event, else by our frozen audience."""
    changes = []
    for line in value.split(b"\n"):
        if not any(word in line for word in _WORDS):
            continue
        try:
            event = _decoder.decode(line)
        except (msgspec.MsgspecError, RecursionError):
            continue
        action = _OPTS.get(event.status)
        recipient = event.recipient or _planned(settings, event)
        if action and recipient:
            channel = event.channel or ""
            changes.append(suppressions.change(event.received_at, action, recipient, channel, event.status))  # type: ignore[arg-type]
    return changes


def _planned(settings: Settings, event: _Event) -> str:
    if event.campaign_id is None or event.message_key is None:
        return ""
    path: Path = frozen_path(settings, event.campaign_id)
    try:
        rows = open_frozen(path).rows_at([event.message_key])
    except TidemarkError:
        return ""
    return str(rows.select(pl.col(TO)).item()) if len(rows) == 1 else ""
