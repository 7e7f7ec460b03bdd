"""Finds the messages of what came without our ids: one thread of lane `other`, under a lock.

    unkeyed + outbound_ids ─▶ outbound_ids ─▶ outbound ─▶ ┐
    waiting + outbound_ids ─────────────────────────────▶ status_events ─▶ unkeyed done ─▶ waiting done

Each arrow is an insert that was answered before the next begins. A crash between two has both done again, and the
tables' engines make that harmless; a key, once given, stands in outbound_ids before anything counts by it.
"""

import logging
import time
from collections.abc import Callable
from contextlib import suppress

import polars as pl

from flows.outbound_records import status_events
from flows.stats import LaneStats
from flows.stopping import Stop, never
from schemas.errors import WarehouseDown
from schemas.times import DAY_MS, MINUTE_MS, Clock
from sql.retry import retrying
from sql.warehouse import Warehouse

log = logging.getLogger(__name__)

TICK_S = 0.25
WAITS_AT_MOST_MS = 7 * DAY_MS
AT_MOST = 200_000
"""Rows a pass."""

_RECENT_MS = 10 * MINUTE_MS
_REST = 8
"""A pass is followed by so many times its own duration of rest, so that a great pile can't take a core."""
_FULL_REST = 20
_WAITING_KEY = (
    "provider", "provider_message_id", "recipient", "status", "error_code", "raw_status", "event_time", "received_at",
)  # fmt: skip
_TIME = pl.Datetime("ms", "UTC")
_EVENT = pl.Schema(
    {
        "campaign_id": pl.String(), "message_key": pl.UInt64(), "attempt": pl.UInt8(), "status": pl.String(),
        "error_code": pl.String(), "provider": pl.String(), "raw_status": pl.String(),
        "event_time": _TIME, "received_at": _TIME, "sent_at": _TIME,
    }
)  # fmt: skip
"""What lands, in one type whichever way it came."""
_ID = (
    "provider", "provider_message_id", "recipient", "campaign_id", "message_key", "attempt", "sent_at",
)  # fmt: skip


class Sweeper:
    """Matches what waits; a status that began to wait lately is looked at each tick, the rest now and then."""

    def __init__(self, warehouse: Warehouse, clock: Clock, stats: LaneStats, stop: Stop) -> None:
        self._warehouse = warehouse
        self._clock = clock
        self._stats = stats
        self._stop = stop
        self._full_at = 0.0

    def run(self) -> None:
        """Until stopping; a database that is down is waited for."""
        while True:
            started = time.monotonic()
            with suppress(WarehouseDown):  # raised when stopping only
                retrying(self._tick, self._stop, _say)
            if self._stop.wait(max(TICK_S, _REST * (time.monotonic() - started))):
                return

    def _tick(self) -> None:
        self.sweep(full=time.monotonic() >= self._full_at)

    def sweep(self, *, full: bool) -> int:
        """One pass; returns how many rows found their message."""
        started = time.monotonic()
        unkeyed, waiting, erased = self._warehouse.ask("waiting_rows").row(0)
        keyed = self._give_keys() if unkeyed else None
        closed = self._close_erased(full=full) if waiting and erased else 0
        matched = self._match(full=full) if waiting else None
        if keyed is not None or matched is not None:
            self._land(keyed, matched)
        if matched is not None:
            self._stats.add(matched=self._close(matched, full=full) - len(matched))
        if full:
            self._full_at = time.monotonic() + max(5.0, _FULL_REST * (time.monotonic() - started))
        return closed + sum(len(frame) for frame in (keyed, matched) if frame is not None)

    def finish(self, gives_up: Callable[[], bool] = never) -> None:
        """Match all that can be matched by now, until it is given up."""
        while self.sweep(full=True) and not gives_up():
            pass

    def _give_keys(self) -> pl.DataFrame | None:
        """Records that have their message's key now, if there are any."""
        keyed = self._warehouse.ask("unkeyed_matches", at_most=AT_MOST)
        if keyed.is_empty():
            return None
        ids = keyed.filter(pl.col("is_new") == 1).select(*_ID, month=_month(pl.coalesce("sent_at", "at")))
        self._warehouse.insert("outbound_ids", ids.unique())
        self._warehouse.insert("outbound", keyed.drop("place", "is_new"))
        return keyed

    def _close_erased(self, *, full: bool) -> int:
        """What is known of erased people by their message's id: before matching, which might take another's message."""
        erased = self._warehouse.ask("waiting_erased", waits="waiting", since=_since(full=full))
        closed = self._close(erased, full=full)
        self._stats.add(erased=closed)
        return closed

    def _match(self, *, full: bool) -> pl.DataFrame | None:
        """Statuses whose message is known now, if there are any."""
        oldest = self._clock() - WAITS_AT_MOST_MS
        matched = self._warehouse.ask(
            "waiting_matches", waits="waiting", since=_since(full=full), oldest=oldest, at_most=AT_MOST
        )
        return None if matched.is_empty() else matched

    def _land(self, keyed: pl.DataFrame | None, matched: pl.DataFrame | None) -> None:
        """In one insert, which has its price in nine tables, however few they are."""
        events = [] if keyed is None else [_outcomes(keyed)]
        events += [] if matched is None else [matched]
        landing = pl.concat(frame.select(_EVENT.names()).cast(_EVENT) for frame in events)
        self._warehouse.insert("status_events", landing)
        self._stats.add(matched=len(landing))
        if keyed is not None:
            done = keyed.drop("message_key", "is_new").with_columns(pending=pl.lit(-1, pl.Int8))
            self._warehouse.insert("unkeyed", done)

    def _close(self, rows: pl.DataFrame, *, full: bool) -> int:
        """What no longer waits, with the copies of it that wait as well; returns how many.

        A copy says nothing new, so it doesn't land: with an insert into nine tables for each, the end of a flow took
        twice as long.
        """
        closed = 0
        while len(rows):
            self._warehouse.insert("waiting", rows.select(*_WAITING_KEY, pending=pl.lit(-1, pl.Int8)))
            closed += len(rows)
            rows = self._warehouse.ask("waiting_copies", since=_since(full=full), at_most=AT_MOST)
        return closed


def _since(*, full: bool) -> int:
    return 0 if full else int(time.time() * 1000) - _RECENT_MS


def _say(line: str) -> None:
    log.warning("sweeper: %s", line)


def _month(time: pl.Expr) -> pl.Expr:
    return time.dt.truncate("1mo").cast(pl.Date)


def _outcomes(outbound: pl.DataFrame) -> pl.DataFrame:
    """As the records of a sender that numbers its messages would have landed."""
    millis = [pl.col(name).dt.epoch("ms") for name in ("at", "sent_at")]
    texts = pl.col("type", "error_code", "provider", "campaign_id").cast(pl.String)
    events = status_events(outbound.with_columns(*millis, texts)).drop("receipt")
    return events.with_columns(pl.col("event_time", "received_at", "sent_at").cast(_TIME))
