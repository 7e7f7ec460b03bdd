"""Derive one campaign anew from the raw log, for what a replay can't take back: a status that a parser got wrong.

    webhook (archive, topic) ─▶ today's parser ─▶ shadow tables ─▶ in the place of the campaign's rows
    outbound, erased rows ────────────────────────▲

Sets can't lose a member, so nothing is mended in place. The window is bypassed: it knows the wrong events, and would
not mind; the right ones it has never seen. What arrives meanwhile is derived once more behind the swap.
"""

import fcntl
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import msgspec
import polars as pl
from msgspec import Struct

from flows.history.archive import Archive
from flows.history.derive import derive_outbound, derive_webhooks
from flows.history.landed import wait_until_landed
from flows.history.past import Past
from flows.history.shadow import WAITING, Shadow
from flows.history.span import time_of
from flows.identity import hash_keys
from flows.topics import Record
from flows.writer import STATUS_EVENTS
from schemas.errors import TopicError, TopicUnknown, UsageError
from schemas.events import CampaignId
from schemas.settings import Settings
from schemas.times import utc_text
from schemas.topics import OUTBOUND, WEBHOOK
from sql import audit
from sql.warehouse import Warehouse

_EVENT = (
    "campaign_id", "message_key", "attempt", "status", "error_code", "provider", "raw_status", "event_time",
    "received_at", "sent_at",
)  # fmt: skip
_ALL = 2**32 - 1
_SELECTS = ("outcomes", "erased_events")


class Rebuilt(Struct):
    """`before` and `after` are the campaign's funnel."""

    campaign_id: str
    events: int
    before: dict[str, int]
    after: dict[str, int]
    seconds: float


class Rebuild:
    """Of one campaign. Flows may run meanwhile; they must run, or have landed all, before it begins."""

    def __init__(self, settings: Settings, warehouse: Warehouse, campaign_id: str, archive: str | None) -> None:
        self._campaign = _checked(campaign_id)
        self._settings = settings
        self._warehouse = warehouse
        self._archive = Archive(archive, WEBHOOK) if archive else None
        self._keys = hash_keys(settings)
        self._clock = settings.now()
        self._shadow = Shadow(warehouse)
        self._webhooks = Past(settings, WEBHOOK)
        self._outbound = Past(settings, OUTBOUND)
        self._events = 0
        self._earliest_ms: int | None = None

    def run(self, patience_s: float, watch: Callable[[str], None]) -> Rebuilt:
        """Raises TopicError, with nothing changed, when flows.status is behind or the raw log lacks the beginning."""
        started = time.monotonic()
        with _alone(self._settings):
            wait_until_landed(self._settings, patience_s, watch)
            before = self._funnel()
            self._shadow.make()
            try:
                self._fill(watch)
                self._check_log()
                watch("deriving the rollups")
                self._shadow.derive()
                watch("swapping")
                self._shadow.swap(self._campaign)
                self._catch_up()
            finally:
                self._shadow.drop()
            audit.record(self._warehouse, "rebuild", self._campaign, {"events": self._events})
        seconds = round(time.monotonic() - started, 3)
        return Rebuilt(self._campaign, self._events, before, self._funnel(), seconds)

    def _fill(self, watch: Callable[[str], None]) -> None:
        table = self._shadow.table(STATUS_EVENTS)
        if self._archive:
            self._take_all(self._archive.records(), table, watch)
        # Twice: what came during the first, long reading is little to read.
        for _ in range(2):
            self._take_all(self._webhooks.polls(), table, watch)
            self._take_outbound(table)
        self._copy_selected(table)

    def _catch_up(self) -> None:
        """What landed before the old rows were marked for deletion went with them, and stands in the log by now."""
        self._take_all(self._webhooks.polls(), STATUS_EVENTS, lambda _line: None)
        self._take_outbound(STATUS_EVENTS)
        self._copy_selected(STATUS_EVENTS)

    def _take_all(self, polls: Iterator[list[Record]], table: str, watch: Callable[[str], None]) -> None:
        for records in polls:
            self._notice_begin(records)
            own, foreign = derive_webhooks(records, self._campaign, self._clock(), self._keys)
            self._land(table, own)
            self._match(table, foreign)
            watch(f"{self._events:,} events derived")

    def _take_outbound(self, table: str) -> None:
        with suppress(TopicUnknown):
            for records in self._outbound.polls():
                self._land(table, derive_outbound(records, self._campaign, self._clock(), self._keys[0]))

    def _land(self, table: str, rows: pl.DataFrame) -> None:
        self._warehouse.insert(table, rows)
        self._events += len(rows)

    def _match(self, table: str, foreign: pl.DataFrame) -> None:
        if foreign.is_empty():
            return
        waits = self._shadow.table(WAITING)
        self._warehouse.insert(waits, foreign)
        found = self._warehouse.ask("waiting_matches", waits=waits, since=0, oldest=0, at_most=_ALL)
        erased = self._warehouse.ask("waiting_erased", waits=waits, since=0)
        found = found.filter(pl.col("campaign_id") == self._campaign).join(erased, on=erased.columns, how="anti")
        self._land(table, found.select(_EVENT))
        self._warehouse.command(f"TRUNCATE TABLE {waits}")

    def _copy_selected(self, table: str) -> None:
        """What tables hold of other senders' messages, and of those that were erased."""
        for name in _SELECTS:
            rows = self._warehouse.ask(name, campaign_id=self._campaign)
            self._land(table, rows)

    def _notice_begin(self, records: list[Record]) -> None:
        times = [at for record in records for line in record.value.split(b"\n") if (at := time_of(line)) is not None]
        self._earliest_ms = min([*times, *([] if self._earliest_ms is None else [self._earliest_ms])], default=None)

    def _check_log(self) -> None:
        """Statuses that were received before the log begins would be lost."""
        first = self._warehouse.ask("first_reported", campaign_id=self._campaign).item()
        if first is None:
            return
        if self._earliest_ms is None or int(first.timestamp() * 1000) < self._earliest_ms:
            begin = "is empty" if self._earliest_ms is None else f"begins at {utc_text(self._earliest_ms)}"
            raise TopicError(
                f"the raw log {begin}, and the first webhook of {self._campaign} came at {first:%Y-%m-%dT%H:%M:%SZ}:"
                " give the --archive that has the rest"
            )

    def _funnel(self) -> dict[str, int]:
        return self._warehouse.ask("funnel", campaign_id=self._campaign).row(0, named=True)


def _checked(campaign_id: str) -> str:
    try:
        return msgspec.convert(campaign_id, CampaignId)
    except msgspec.ValidationError:
        raise UsageError(f"--rebuild {campaign_id!r}: no campaign can be called that") from None


@contextmanager
def _alone(settings: Settings) -> Iterator[None]:
    """Shadow tables have one name each: one rebuild at a time on this machine."""
    path = Path(settings.recovery) / "rebuild.lock"
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise UsageError(f"{path} is held: another rebuild runs") from None
        yield
