"""Finds the messages of what came without our ids: one thread of lane `other`, under a lock.

    unkeyed + outbound_ids ─▶ outbound_ids ─▶ outbound ─▶ status_events ─▶ unkeyed done
    waiting + outbound_ids ─▶ status_events ─▶ waiting done

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
_REST = 3
"""A pass is followed by so many times its own duration of rest, so that a great pile can't take a core."""
_FULL_REST = 20
_TIME = pl.Datetime("ms", "UTC")
_WAITING_KEY = (
    "provider", "provider_message_id", "recipient", "status", "error_code", "raw_status", "event_time", "received_at",
)  # fmt: skip
_EVENT = (
    "campaign_id", "message_key", "attempt", "status", "error_code", "provider", "raw_status", "event_time",
    "received_at", "sent_at",
)  # fmt: skip
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
        found = self._give_keys() if unkeyed else 0
        if waiting and erased:
            found += self._close_erased(full=full)
        found += self._match(full=full) if waiting else 0
        if full:
            self._full_at = time.monotonic() + max(5.0, _FULL_REST * (time.monotonic() - started))
        return found

    def finish(self, gives_up: Callable[[], bool] = never) -> None:
        """Match all that can be matched by now, until it is given up."""
        while self.sweep(full=True) and not gives_up():
            pass

    def _give_keys(self) -> int:
        matched = self._warehouse.ask("unkeyed_matches", at_most=AT_MOST)
        if not len(matched):
            return 0
        ids = matched.filter(pl.col("is_new") == 1).select(*_ID, month=_month(pl.coalesce("sent_at", "at")))
        self._warehouse.insert("outbound_ids", ids.unique())
        self._warehouse.insert("outbound", matched.drop("place", "is_new"))
        self._land(_outcomes(matched))
        done = matched.drop("message_key", "is_new").with_columns(pending=pl.lit(-1, pl.Int8))
        self._warehouse.insert("unkeyed", done)
        return len(matched)

    def _close_erased(self, *, full: bool) -> int:
        """What is known of erased people by their message's id: before matching, which might take another's message."""
        erased = self._warehouse.ask("waiting_erased", waits="waiting", since=_since(full=full))
        self._warehouse.insert("waiting", erased.select(*_WAITING_KEY, pending=pl.lit(-1, pl.Int8)))
        self._stats.add(erased=len(erased))
        return len(erased)

    def _match(self, *, full: bool) -> int:
        since = _since(full=full)
        oldest = self._clock() - WAITS_AT_MOST_MS
        matched = self._warehouse.ask("waiting_matches", waits="waiting", since=since, oldest=oldest, at_most=AT_MOST)
        if not len(matched):
            return 0
        self._land(matched.select(_EVENT))
        done = matched.select(*_WAITING_KEY, pending=pl.lit(-1, pl.Int8))
        self._warehouse.insert("waiting", done)
        return len(matched)

    def _land(self, events: pl.DataFrame) -> None:
        self._warehouse.insert("status_events", events)
        self._stats.add(matched=len(events))


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
