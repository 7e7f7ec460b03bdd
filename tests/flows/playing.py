"""The middle of the status flow without Bytewax: decode, cut, window, tables, sweeper, as one call after the other."""

from collections.abc import Callable, Iterable, Sequence
from itertools import groupby, islice
from pathlib import Path
from typing import NamedTuple

import polars as pl

from flows.erasures import NOBODY, Erased
from flows.identity import HashKey
from flows.sources import Poll
from flows.stats import LaneStats
from flows.status_decoder import Batch, Decoder
from flows.stopping import Stop
from flows.sweeper import Sweeper
from flows.topics import Record
from flows.window import DedupWindow, Judged, Window
from flows.writer import STATUS_EVENTS, Table, by_table
from schemas.settings import DedupMode
from schemas.statuses import Lane
from schemas.times import HOUR_MS, fixed_clock
from schemas.topics import OUTBOUND
from sql.warehouse import Warehouse
from tests.flows.making import NOW_MS, Fields, line, records_of

KEYS = (HashKey(1, b"k" * 16),)
CHECKS = Path(__file__).parents[2] / "sql" / "checks"


class Mode(NamedTuple):
    """How the window is set."""

    dedup: DedupMode = "drop"
    span_ms: int = 6 * HOUR_MS


DEFAULT = Mode()


class Middle:
    """Takes records, lands rows. Nothing lands before `flush`."""

    def __init__(
        self,
        warehouse: Warehouse,
        folder: Path,
        mode: Mode = DEFAULT,
        keys: Sequence[HashKey] = KEYS,
        now_ms: int = NOW_MS,
        erased: Callable[[], Erased] = lambda: NOBODY,
    ) -> None:
        clock = fixed_clock(now_ms)
        self.warehouse = warehouse
        self.stats = LaneStats("status", "other", "0/1")
        self.sweeper = Sweeper(warehouse, clock, self.stats, Stop())
        self._mode = mode
        self._window = Window(folder, clock, mode.span_ms, 1 << 30)
        self._decoder = Decoder(self._window, list(keys), clock, self.stats, erased)
        self._slots: dict[tuple[Lane, str], DedupWindow] = {}
        self._pending: list[Table] = []

    def events(self, lane: Lane, records: list[Record]) -> None:
        self._take(lane, self._decoder.events(Poll(lane.topic, records)))

    def outbound(self, records: list[Record]) -> None:
        self._take(Lane.OTHER, self._decoder.outbound(Poll(OUTBOUND, records)))

    def _take(self, lane: Lane, batch: Batch) -> None:
        assert batch.dead == []
        for key, part in batch.parts:
            judged: Iterable[Judged] = [Judged(part.frame, None)]
            if self._mode.dedup != "off":
                judged, _ = self._slot(lane, key).on_batch([part])
            self._pending += [Table(STATUS_EVENTS, rows.frame, rows.passes) for rows in judged]
        self._pending += [table for _, table in batch.tables]

    def _slot(self, lane: Lane, key: str) -> DedupWindow:
        if (lane, key) not in self._slots:
            drop = self._mode.dedup == "drop"
            self._slots[lane, key] = DedupWindow(lane, self._window, self.stats, None, drop=drop)
        return self._slots[lane, key]

    def flush(self) -> None:
        pending, self._pending = self._pending, []
        for name, frame in by_table(pending):
            self.warehouse.insert(name, frame)

    def finish(self) -> None:
        self.flush()
        self.sweeper.finish()
        self.close()

    def close(self) -> None:
        self._window.close()


def play(warehouse: Warehouse, folder: Path, *fields: Fields, mode: Mode = DEFAULT) -> Middle:
    """Events and outbound records in the order given, a poll for each run of a kind, all landed and matched."""
    middle = Middle(warehouse, folder, mode)
    records = iter(records_of(map(line, fields), a_record=1))
    for is_outbound, run in groupby("type" in one for one in fields):
        poll = list(islice(records, len(list(run))))
        if is_outbound:
            middle.outbound(poll)
        else:
            middle.events(Lane.OTHER, poll)
    middle.finish()
    return middle


def faults(warehouse: Warehouse) -> dict[str, list[tuple[object, ...]]]:
    """What each of sql/checks finds wrong."""
    return {path.stem: found.rows() for path, found in _checked(warehouse) if len(found)}


def _checked(warehouse: Warehouse) -> Iterable[tuple[Path, pl.DataFrame]]:
    return ((path, warehouse.query(path.read_text())) for path in sorted(CHECKS.glob("*.sql")))
