"""A lane's way into ClickHouse: batches cut by rows or age, inserted by a thread over a connection of its own.

worker's thread:  put(landing) ─▶ pending ─▶ writer's thread: concat, filter, sort, insert
                  drain() waits until all is answered
"""

import logging
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple, Protocol

import numpy as np
import polars as pl
from numpy.typing import NDArray

from flows.stats import LaneStats
from flows.stopping import Stop
from schemas.errors import TidemarkError
from schemas.statuses import Status
from schemas.times import wall_clock
from sql.retry import retrying

log = logging.getLogger(__name__)

STATUS_EVENTS = "status_events"
_TIMES = ("at", "event_time", "received_at", "sent_at", "frozen_at")
BLOCK_ROWS = 400_000
"""Of much larger blocks inserts are slower: they leave the processor's cache."""
_LOOK_EVERY_S = 0.01
_FIRST_GUESS_ROWS_PER_S = 500_000.0
_TELLING_ROWS = 50_000
"""Of smaller batches most of the time goes into what each costs."""


class Table(NamedTuple):
    """Rows on their way to a table, and which of them are to land; None: all."""

    name: str
    frame: pl.DataFrame
    lands: NDArray[np.bool_] | None = None


class Inserts(Protocol):
    """What a writer needs of the warehouse."""

    def insert(self, table: str, frame: pl.DataFrame) -> None: ...

    def close(self) -> None: ...


Tell = Callable[[Sequence[Table], int], None]
"""Told of a batch once it has landed, and when its insert began (UTC ns)."""


class Cut(NamedTuple):
    """When a batch goes: at `rows`, or when its oldest row has waited `age_s`; `flood_age_s` while the lane floods.

    In a flood a row has waited far longer before it was read, and small batches only make more to merge.
    """

    rows: int
    age_s: float
    flood_age_s: float


class Writer:
    """Inserts what is put, in the order of its tables' arrival; at-least-once: what `drain` returned for has landed.

    A database that is down is waited for; then `congested` turns true, and whoever reads for this lane should pause.
    """

    def __init__(
        self,
        name: str,
        connect: Callable[[], Inserts],
        cut: Cut,
        floods: Callable[[], bool],
        stats: LaneStats,
        stop: Stop,
        tell: Tell | None = None,
    ) -> None:
        self._connect = connect
        self._cut = cut
        self._floods = floods
        self._stats = stats
        self._stop = stop
        self._tell = tell
        self._pending: list[Table] = []
        self._rows = 0
        self._oldest = 0.0
        self._inserting = 0
        self._inserting_rows = 0
        self._rows_per_s = _FIRST_GUESS_ROWS_PER_S
        self._draining = False
        self._closed = False
        self._failure: TidemarkError | None = None
        self._changed = threading.Condition()
        self._thread = threading.Thread(target=self._run, name=f"writer-{name}", daemon=True)
        self._thread.start()

    def put(self, table: Table) -> None:
        with self._changed:
            self._raise_failure()
            begins = not self._pending
            if begins:
                self._oldest = time.monotonic()
            self._pending.append(table)
            self._rows += len(table.frame)
            if begins or self._rows >= self._cut.rows:
                self._changed.notify_all()

    def congested(self) -> bool:
        """Whether two batches wait, beside the one that is being inserted."""
        return self._rows > 2 * self._cut.rows

    def lands_in_s(self) -> float:
        """How long what it holds will take to land, going by its last large batch."""
        return (self._rows + self._inserting_rows) / self._rows_per_s

    def idle(self) -> bool:
        return not self._rows and not self._inserting

    def begin_drain(self) -> None:
        """Let what is pending go now; doesn't wait."""
        with self._changed:
            self._draining = bool(self._pending)
            self._changed.notify_all()

    def drain(self) -> None:
        """Return when everything that was put has landed; raises what kept it from that."""
        started = time.monotonic()
        self.begin_drain()
        with self._changed:
            self._changed.wait_for(lambda: self._failure or (not self._pending and not self._inserting))
            self._raise_failure()
        self._stats.snapshotted(1000 * (time.monotonic() - started))

    def close(self) -> None:
        """Without a drain: what has not landed is read again."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()
        self._thread.join(timeout=30)

    def _raise_failure(self) -> None:
        if self._failure:
            raise self._failure

    def _run(self) -> None:
        try:
            warehouse = self._connect()
            try:
                while (batch := self._next_batch()) is not None:
                    self._land(warehouse, batch)
            finally:
                warehouse.close()
        except TidemarkError as error:
            self._fail(error)
        except BaseException as error:  # noqa: BLE001  # reaches no one (Polars' panics neither): the flow must end of it
            self._fail(TidemarkError(f"{type(error).__name__}: {error}"))

    def _fail(self, error: TidemarkError) -> None:
        with self._changed:
            self._failure = error
            self._changed.notify_all()
        self._stop.fail(error)

    def _next_batch(self) -> list[Table] | None:
        """What is due, or None when closed."""
        with self._changed:
            while not self._closed and not self._due():
                self._changed.wait(_LOOK_EVERY_S if self._pending else 1.0)
            if self._closed:
                return None
            batch, self._pending = self._pending, []
            self._inserting_rows = self._rows
            self._rows, self._inserting, self._draining = 0, len(batch), False
            self._stats.batch_aged(int(1000 * (time.monotonic() - self._oldest)))
            return batch

    def _due(self) -> bool:
        if not self._pending:
            return False
        age_s = self._cut.flood_age_s if self._floods() else self._cut.age_s
        aged = time.monotonic() - self._oldest >= age_s
        return self._draining or aged or self._rows >= self._cut.rows

    def _land(self, warehouse: Inserts, batch: list[Table]) -> None:
        """Until all has landed `drain` waits: after an error it must find the failure, never nothing left to do."""
        started, began_ns = time.monotonic(), time.time_ns()
        for name, frame in by_table(batch):
            for block in blocks(frame):
                self._insert(warehouse, name, block)
        if self._tell:
            self._tell(batch, began_ns)
        with self._changed:
            if self._inserting_rows > _TELLING_ROWS:
                self._rows_per_s = self._inserting_rows / (time.monotonic() - started)
            self._inserting = self._inserting_rows = 0
            self._changed.notify_all()

    def _insert(self, warehouse: Inserts, name: str, block: pl.DataFrame) -> None:
        started = time.monotonic()
        retrying(lambda: warehouse.insert(name, block), self._stopping, self._waits)
        self._stats.waits_for = ""
        self._stats.add(batches=1, batch_rows=len(block), insert_ms=1000 * (time.monotonic() - started))
        if name == STATUS_EVENTS:
            self._stats.add(rows=len(block))
            self._stats.landed(block["received_at"].to_physical().to_numpy(), wall_clock())

    def _stopping(self) -> bool:
        return self._stop.presses() or self._closed

    def _waits(self, line: str) -> None:
        self._stats.add(retries=1)
        self._stats.waits_for = line
        log.warning("%s: %s", self._thread.name, line)


def blocks(frame: pl.DataFrame) -> Iterator[pl.DataFrame]:
    """Of equal size, at most half as much again as `BLOCK_ROWS`: a few rows left over would cost their own insert."""
    count = max(1, round(len(frame) / BLOCK_ROWS))
    return frame.iter_slices(max(1, -(-len(frame) // count)))


def by_table(batch: list[Table]) -> list[tuple[str, pl.DataFrame]]:
    """Each table's rows as one frame: those that land, in the table's order, times as times."""
    grouped: dict[str, list[Table]] = {}
    for table in batch:
        grouped.setdefault(table.name, []).append(table)
    return [(name, _landing(name, tables)) for name, tables in grouped.items()]


def _landing(name: str, tables: list[Table]) -> pl.DataFrame:
    frame = pl.concat([table.frame for table in tables], rechunk=True)  # to sort many chunks takes four times as long
    if any(table.lands is not None for table in tables):
        lands = [np.ones(len(t.frame), np.bool_) if t.lands is None else t.lands for t in tables]
        frame = frame.filter(pl.Series(np.concatenate(lands)))
    frame = frame.drop("receipt", strict=False)
    # ClickHouse leaves out its own sort where a block comes sorted, in this table and in the views behind it.
    if name == STATUS_EVENTS:
        frame = frame[_order(frame)]
    times = [column for column in _TIMES if column in frame.columns]
    return frame.with_columns(pl.col(times).cast(pl.Datetime("ms", "UTC")))


def _order(events: pl.DataFrame) -> NDArray[np.int64]:
    """By message, then status; by one number each, in six tenths of the time that sorting by two columns takes.

    Where a key is so large that the number wraps, ClickHouse sorts for itself.
    """
    keys = events["message_key"].to_numpy()
    return np.argsort(keys * len(Status) + events["status"].to_physical().to_numpy())
