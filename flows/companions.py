"""What runs beside the status flow: a row of `flow_stats` a second and lane, and the sweeper."""

import fcntl
import logging
import threading
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import polars as pl

from flows.erasures import ErasureList
from flows.flow_health import flow_verdict
from flows.flow_metrics import FlowCollector
from flows.stats import LaneStats
from flows.stopping import Stop, never
from flows.sweeper import Sweeper
from flows.topics.presence import asking_broker
from flows.window import Window
from schemas.errors import TidemarkError, WarehouseDown
from schemas.settings import Settings
from schemas.statuses import Lane
from schemas.times import Clock, wall_clock
from sql.retry import retrying
from sql.telemetry.server import TelemetryServer, new_registry
from sql.telemetry.watch import Watch
from sql.warehouse import Warehouse

log = logging.getLogger(__name__)

_EVERY_S = 1.0
_MAPS = dict.fromkeys(("repeats", "dead_letters"), pl.List(pl.Struct({"key": pl.String, "value": pl.Int64})))


class StatsKeeper:
    """Writes what the lanes counted, once a second; what finds no database waits, and comes as one row then.

    The same figures, and the flow's health, on a port of their own where one is set.
    """

    def __init__(self, settings: Settings, stats: Sequence[LaneStats], window: Window | None, stop: Stop) -> None:
        self._warehouse = Warehouse(settings.clickhouse, share=True)
        self._stats = stats
        self._window = window
        self._stop = stop
        self._unwritten: list[dict[str, object]] = []
        self._settings = settings
        self._server: TelemetryServer | None = None
        self._broker: Watch | None = None
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, name="stats", daemon=True)

    def start(self) -> None:
        """Raises UsageError where the port for metrics is taken."""
        if self._settings.metrics_port:
            self._server = self._serve()
        self._thread.start()

    def _serve(self) -> TelemetryServer:
        registry = new_registry()
        registry.register(FlowCollector(self._stats, self._settings))
        self._broker = broker = Watch(asking_broker(self._settings))
        health = lambda: flow_verdict(self._stats, self._stop, broker.why)  # noqa: E731
        return TelemetryServer(registry, health, self._settings.metrics_port, self._settings.http_host)

    def finish(self) -> None:
        if self._server:
            self._server.close()
        if self._broker:
            self._broker.close()
        self._ended.set()
        if self._thread.is_alive():
            self._thread.join(timeout=5)
        if self._thread.is_alive():
            log.warning("flow_stats: the last second is lost: the database does not answer")
            return
        self._write(self._stop.presses)
        self._warehouse.close()

    def _run(self) -> None:
        while not self._ended.wait(_EVERY_S):
            self._write(self._ended.is_set)

    def _write(self, gives_up: Callable[[], bool]) -> None:
        if self._window:
            ids, size = self._window.size()
            for stats in self._stats:
                stats.set(window_ids=ids, window_bytes=size)
        rows = self._unwritten + [stats.take(wall_clock()) for stats in self._stats]
        try:
            retrying(lambda: self._warehouse.insert("flow_stats", as_frame(rows)), gives_up, _say)
            self._unwritten = []
        except WarehouseDown:
            self._unwritten = rows
        except TidemarkError as error:
            log.warning("flow_stats: %s", error)


def _say(line: str) -> None:
    log.warning("flow_stats: %s", line)


def as_frame(rows: list[dict[str, object]]) -> pl.DataFrame:
    """Rows of `flow_stats` as its columns want them."""
    frame = pl.DataFrame([{name: _plain(value) for name, value in row.items()} for row in rows], schema_overrides=_MAPS)
    return frame.with_columns(pl.col("at").cast(pl.Datetime("ms", "UTC")))


def _plain(value: object) -> object:
    return [{"key": key, "value": count} for key, count in value.items()] if isinstance(value, dict) else value


class Companions:
    """Threads beside the status flow of one process; each has a connection of its own."""

    def __init__(
        self,
        settings: Settings,
        stats: Mapping[Lane, LaneStats],
        window: Window,
        clock: Clock,
        stop: Stop,
        erasures: ErasureList,
    ) -> None:
        self._window = window
        self._erasures = erasures if Lane.OTHER in stats else None
        self._keeper = StatsKeeper(settings, list(stats.values()), window, stop)
        self._stop = stop
        self._lock = Path(settings.recovery) / "sweeper.lock"
        self._thread: threading.Thread | None = None
        if Lane.OTHER in stats and settings.slice.index == 0:
            self._warehouse = Warehouse(settings.clickhouse, share=True)
            self._sweeper = Sweeper(self._warehouse, clock, stats[Lane.OTHER], stop)
            self._thread = stop.thread("sweeper", self._sweep)

    def start(self) -> None:
        self._keeper.start()
        if self._erasures:
            self._erasures.start()
        if self._thread:
            self._thread.start()

    def finish(self) -> None:
        gives_up = self._stop.presses if self._stop() else never
        self._stop.ask()
        if self._thread:
            self._thread.join(timeout=5)
            if self._thread.is_alive():
                log.warning("sweeper_unfinished error=it does not answer")
            else:
                self._sweep_to_end(gives_up)
                self._warehouse.close()
        if self._erasures:
            self._erasures.finish()
        self._keeper.finish()
        self._window.close()

    def _sweep_to_end(self, gives_up: Callable[[], bool]) -> None:
        """What landed last may be what some waited for; a database that is down leaves it to the next start."""
        if self._stop.failure is None:
            try:
                self._sweep_alone(
                    lambda: retrying(lambda: self._sweeper.finish(gives_up), self._stop.presses, log.warning)
                )
            except TidemarkError as error:
                log.warning("sweeper_unfinished error=%s", error)

    def _sweep(self) -> None:
        while not self._stop():
            self._sweep_alone(self._sweeper.run)
            self._stop.wait(_EVERY_S)

    def _sweep_alone(self, sweep: Callable[[], None]) -> None:
        """One sweeper at a time: of the processes with lane `other` that of slice 0, and of a cluster whoever locks."""
        self._lock.parent.mkdir(parents=True, exist_ok=True)
        with self._lock.open("w") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                return
            sweep()
