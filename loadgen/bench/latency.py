"""How long from a webhook's append to its row? `python -m loadgen.bench latency --json`.

Raw WhatsApp bodies are appended to the topic `webhook` at a steady rate, Delivered and twice as many Reads mixed, one
in ten told again, as the receiver does it; `flows.route` and one `flows.status` with all lanes take them into
ClickHouse, embedded in the latter. For each Delivered message the time from before the append that first tells of it to
the first SELECT that returns its row, asked 40 ms after the last answer; in the end all rows and totals are checked.
`--source kafka` starts an Apache Kafka of its own, or takes TIDEMARK_BROKER=kafka://…, whose topics must be empty.
"""

import argparse
import tempfile
import time
from pathlib import Path

import msgspec
import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from flows.sources import make_topics
from loadgen.bench.arena import read_totals
from loadgen.bench.contender import tree_usage
from loadgen.bench.flood import CAMPAIGN, SLOT_MS, Flood, Pump, make_flood
from loadgen.bench.inputs import broker_at
from loadgen.bench.lane_watch import LaneWatch
from loadgen.command import INEXACT, parser
from loadgen.processes import Flow, end, variables, wait_until_read, wait_until_served
from loadgen.sightings import Sightings
from schemas.errors import TidemarkError, UsageError
from schemas.settings import Settings
from schemas.statuses import Lane, Status
from schemas.times import SECOND_MS, wall_clock
from schemas.topics import TOPICS
from sql.migrate import migrate
from sql.warehouse import Warehouse

_LOOK_EVERY_S = 0.04
_GIVES_UP_S = 120.0
_EVENTS = """
SELECT toString(status) AS status, count() AS messages
FROM v_events
WHERE campaign_id = {campaign:String}
GROUP BY status
"""
_INSERTS = """
SELECT sum(insert_ms) / sum(batches) AS insert_ms, sum(batch_rows) / sum(batches) AS rows
FROM flow_stats
WHERE flow = 'status' AND lane = {lane:String} AND batches > 0
"""


class Times(Struct):
    """Of Delivered messages, in ms."""

    p50_ms: float
    p99_ms: float
    max_ms: float


class Inserts(Struct):
    """Means of all inserts of a lane."""

    ms: float
    rows: float


class Report(Struct, kw_only=True):
    """What `--json` prints; times are of the messages appended after the warm-up.

    `to_lane`: until `status.delivered` holds it, to 5 ms; `to_row`: from then on. `late_ms`: how far the load itself
    fell behind its pace. `cores`: processor seconds a second, `load` being this command.
    """

    source: str
    delivered_per_s: float
    read_per_s: float
    measured: int
    p50_ms: float
    p99_ms: float
    max_ms: float
    to_lane: Times
    to_row: Times
    inserts: dict[str, Inserts]
    late_ms: float
    cores: dict[str, float]
    exact: bool


def _parser() -> argparse.ArgumentParser:
    told = parser("loadgen.bench latency", __doc__)
    add = told.add_argument
    add("--source", choices=("kafka", "file"), default="kafka", help="default: %(default)s")
    add("--delivered", type=float, default=20_000, help="events per second (default: %(default)s)")
    add("--read", type=float, default=40_000, help="events per second (default: %(default)s)")
    add("--seconds", type=float, default=30, help="measured (default: %(default)s)")
    add("--warm-up", type=float, default=10, help="seconds of the same load before (default: %(default)s)")
    add("--json", action="store_true", help="end with one JSON object")
    return told


def command(arguments: list[str]) -> int:
    """The exit code: 0, or 1 for rows lost or invented."""
    options = _parser().parse_args(arguments)
    if not (1 <= options.delivered <= 1e6 and 1 <= options.read <= 1e6):
        raise UsageError("--delivered, --read: from 1 to 1,000,000 a second")
    if not (1 <= options.seconds <= 3600 and 0 <= options.warm_up <= 3600):
        raise UsageError("--seconds: from 1, --warm-up: from 0, to 3600")
    report = run_bench(options)
    print(msgspec.json.encode(report).decode() if options.json else _in_words(report))
    return 0 if report.exact else INEXACT


def run_bench(options: argparse.Namespace) -> Report:
    """Raises TidemarkError."""
    flood = make_flood(wall_clock(), options.warm_up + options.seconds, options.delivered, options.read)
    with tempfile.TemporaryDirectory(prefix="tidemark-") as name, broker_at(options.source, Path(name)) as broker:
        settings = Settings(broker=broker, clickhouse=f"chdb://{name}/clickhouse", recovery=f"{name}/recovery")
        with Warehouse(settings.clickhouse, create=True) as warehouse:
            migrate(warehouse)
        make_topics(settings, *TOPICS)
        run = _Run(settings, flood, Path(name))
        try:
            run.measure(options.warm_up)
        finally:
            run.kill()
        return run.report(options)


class _Run:
    """Both flows, the load, and whoever looks on."""

    def __init__(self, settings: Settings, flood: Flood, logs: Path) -> None:
        self._settings = settings
        self._flood = flood
        told = variables(settings)
        self._flows = {name: Flow(["-m", f"flows.{name}"], told, logs / f"{name}.log") for name in ("route", "status")}
        self._pump = Pump(settings, flood)
        self._lane = LaneWatch(settings)
        self._seen_at = np.zeros(0)
        self._cores: dict[str, float] = {}

    def measure(self, warm_up_s: float) -> None:
        """Until all Delivered messages were seen and all that was appended has landed."""
        flows = list(self._flows.values())
        wait_until_served(self._settings, flows, _GIVES_UP_S)
        with Warehouse(self._settings.clickhouse) as warehouse:
            flood = self._flood
            sightings = Sightings(warehouse, CAMPAIGN, Status.DELIVERED, flood.delivered, first=flood.reads)
            self._lane.start()
            self._pump.start()
            self._look(sightings, warm_up_s)
        self._lane.finish()
        self._seen_at = sightings.seen_at
        wait_until_read(self._settings, flows, _GIVES_UP_S)
        end(flows)

    def _look(self, sightings: Sightings, warm_up_s: float) -> None:
        started = time.monotonic()
        deadline_s = started + len(self._flood.slots) * SLOT_MS / SECOND_MS + _GIVES_UP_S
        before: tuple[float, dict[str, float]] | None = None
        while not sightings.look():
            now = time.monotonic()
            if before is None and now - started >= warm_up_s:
                before = now, self._used_s()
            if before and self._pump.is_alive():
                used_s = self._used_s()
                self._cores = {name: (used_s[name] - s) / (now - before[0] or 1) for name, s in before[1].items()}
            if self._pump.failure:
                raise self._pump.failure
            if now > deadline_s or not all(flow.running() for flow in self._flows.values()):
                raise TidemarkError(f"not all seen: {self._said()}")
            time.sleep(_LOOK_EVERY_S)

    def _used_s(self) -> dict[str, float]:
        own = time.process_time()
        return {name: tree_usage(flow.pid).cpu_s for name, flow in self._flows.items()} | {"load": own}

    def _said(self) -> str:
        return "; ".join(flow.said()[-300:] for flow in self._flows.values()) or "the flows fall behind"

    def kill(self) -> None:
        for flow in self._flows.values():
            flow.kill()

    def report(self, options: argparse.Namespace) -> Report:
        flood, appended_at = self._flood, self._pump.appended_at
        due_at = appended_at[0] + np.arange(len(appended_at)) * SLOT_MS / SECOND_MS
        routed_at = self._lane.held_at(flood.delivered_by)
        counts = flood.slot_of >= int(options.warm_up * SECOND_MS) // SLOT_MS
        slots = flood.slot_of[counts]
        appended, routed, seen = appended_at[slots], routed_at[slots], self._seen_at[counts]
        whole = _times(seen - appended)
        with Warehouse(self._settings.clickhouse) as warehouse:
            inserts = {lane.value: _inserts(warehouse, lane) for lane in (Lane.DELIVERED, Lane.READ)}
            exact = _is_exact(warehouse, flood)
        return Report(
            source=options.source,
            delivered_per_s=options.delivered,
            read_per_s=options.read,
            measured=len(slots),
            p50_ms=whole.p50_ms,
            p99_ms=whole.p99_ms,
            max_ms=whole.max_ms,
            to_lane=_times(routed - appended),
            to_row=_times(seen - routed),
            inserts=inserts,
            late_ms=round(float((appended_at - due_at).max()) * SECOND_MS, 1),
            cores={name: round(cores, 2) for name, cores in self._cores.items()},
            exact=exact,
        )


def _times(seconds: NDArray[np.float64]) -> Times:
    p50, p99, longest = np.quantile(seconds * SECOND_MS, [0.5, 0.99, 1.0])
    return Times(round(float(p50), 1), round(float(p99), 1), round(float(longest), 1))


def _inserts(warehouse: Warehouse, lane: Lane) -> Inserts:
    found = warehouse.query(_INSERTS, {"lane": lane.value}).row(0, named=True)
    return Inserts(round(found["insert_ms"], 1), round(found["rows"], 1))


def _is_exact(warehouse: Warehouse, flood: Flood) -> bool:
    """Every message once, under its status, in the events and in the totals."""
    due = {Status.DELIVERED.value: flood.delivered, Status.READ.value: flood.reads}
    events = dict(warehouse.query(_EVENTS, {"campaign": CAMPAIGN}).iter_rows())
    return events == read_totals(warehouse, CAMPAIGN) == due


def _in_words(report: Report) -> str:
    inserts = "; ".join(f"{lane} {one.ms} ms for {one.rows:,.0f} rows" for lane, one in report.inserts.items())
    cores = ", ".join(f"{name} {used}" for name, used in report.cores.items())
    return "\n".join(
        [
            f"{report.measured:,} Delivered events at {report.delivered_per_s:,.0f}/s beside {report.read_per_s:,.0f}"
            f" Reads/s, {report.source}: {'exact' if report.exact else 'NOT exact'}",
            f"from append to row: p50 {report.p50_ms} ms, p99 {report.p99_ms} ms, longest {report.max_ms} ms",
            f"to the lane's topic p50 {report.to_lane.p50_ms}, p99 {report.to_lane.p99_ms} ms; from there to the row"
            f" p50 {report.to_row.p50_ms}, p99 {report.to_row.p99_ms} ms",
            f"an insert: {inserts}; cores: {cores}; the load was late by {report.late_ms} ms at most",
        ]
    )
