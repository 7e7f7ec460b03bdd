"""What happens while ClickHouse is away: `python -m loadgen.bench backpressure --json`.

`flows.status` reads lane topics that fill at a steady rate, in equal shares Delivered and Read; ClickHouse
(`sql.serve`) is killed, stays away for a minute, and comes back. Does the flow's memory stay bounded, how fast is the
backlog cleared, and has Delivered caught up before Read?
"""

import argparse
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import msgspec
from msgspec import Struct

from flows.sources import make_topics
from flows.status import topics
from loadgen.bench.contender import tree_usage
from loadgen.bench.inputs import broker_at
from loadgen.bench.pacing import LANES, Pacing
from loadgen.bench.served import Served
from loadgen.command import INEXACT, parser
from loadgen.processes import Flow, end, variables, wait_until_read
from schemas.errors import TidemarkError, UsageError
from schemas.settings import Settings
from schemas.statuses import Lane
from schemas.times import wall_clock
from sql.retry import retrying
from sql.warehouse import Warehouse

_WARM_UP_S = 5.0
_GIVES_UP_S = 600.0
_LOOK_EVERY_S = 0.25
_CAUGHT_UP_S = 2.0
"""A lane has caught up when it is no further behind than that many seconds of its load."""
_LANDED = "SELECT toString(status) AS lane, uniqExact(message_key) AS events FROM status_events GROUP BY lane"


class Report(Struct, kw_only=True):
    """What `--json` prints. Seconds count from ClickHouse's return; memory is the flow's greatest so far, in MB.

    `backlog`: events that came while it was away. `clearing_per_s`: events landed a second from the return until both
    lanes had caught up.
    """

    source: str
    rate_per_s: float
    outage_s: float
    rss_before_mb: float
    rss_after_mb: float
    backlog: int
    delivered_caught_up_s: float
    read_caught_up_s: float
    clearing_per_s: float
    exact: bool


def _parser() -> argparse.ArgumentParser:
    told = parser("loadgen.bench backpressure", __doc__)
    add = told.add_argument
    add("--source", choices=("kafka", "file"), default="kafka", help="default: %(default)s")
    add("--rate", type=float, default=50_000, help="events per second (default: %(default)s)")
    add("--outage", type=float, default=60, help="seconds without ClickHouse (default: %(default)s)")
    add(
        "--after",
        type=float,
        default=30,
        help="seconds that the load then goes on, at most (default: %(default)s)",
    )
    add("--json", action="store_true", help="end with one JSON object")
    return told


def command(arguments: list[str]) -> int:
    """The exit code: 0, or 1 for events lost or invented."""
    options = _parser().parse_args(arguments)
    if not (20 <= options.rate <= 10_000_000 and 0 < options.outage <= 3600 and 0 <= options.after <= 3600):
        raise UsageError("--rate: from 20 on; --outage, --after: up to 3600 seconds")
    report = run_bench(options.source, options.rate, options.outage, options.after)
    print(msgspec.json.encode(report).decode() if options.json else _in_words(report))
    return 0 if report.exact else INEXACT


def run_bench(source: str, rate: float, outage_s: float, after_s: float) -> Report:
    """Raises TidemarkError."""
    with (
        tempfile.TemporaryDirectory(prefix="tidemark-") as name,
        broker_at(source, Path(name)) as broker,
        Served(Path(name) / "server") as server,
    ):
        settings = Settings(broker=broker, clickhouse=server.dsn, recovery=f"{name}/recovery", clock=wall_clock())
        load = Pacing(settings, rate)
        return _Outage(settings, Path(name), load, server).run(source, rate, outage_s, after_s)


class _Outage:
    def __init__(self, settings: Settings, folder: Path, load: Pacing, server: Served) -> None:
        self._settings = settings
        self._load = load
        self._server = server
        make_topics(settings, *topics(settings))
        self._flow = Flow(["-m", "flows.status"], variables(settings), folder / "status.log")

    def run(self, source: str, rate: float, outage_s: float, after_s: float) -> Report:
        try:
            self._load.start()
            self._wait(lambda: min(self._landed().values()) > 0, "nothing lands")
            time.sleep(_WARM_UP_S)
            before = tree_usage(self._flow.pid).peak_rss_mb
            self._server.kill()
            gone = self._load.written
            time.sleep(outage_s)
            backlog = len(LANES) * (self._load.written - gone)
            self._server.start()
            self._load.stop_in(after_s)
            report = self._return(source, rate, outage_s, before, backlog)
            self._load.finish()
            wait_until_read(self._settings, [self._flow], _GIVES_UP_S)
            end([self._flow])
            report.exact = all(count == self._load.written for count in self._landed().values())
            return report
        finally:
            self._flow.kill()

    def _return(self, source: str, rate: float, outage_s: float, before_mb: float, backlog: int) -> Report:
        landed = retrying(self._landed, lambda: False, lambda _: None)
        returned = time.monotonic()
        caught_up: dict[Lane, float] = {}
        near = _CAUGHT_UP_S * rate / len(LANES)

        def all_caught_up() -> bool:
            now = self._landed()
            for lane in LANES:
                if lane not in caught_up and self._load.written - now[lane] <= near:
                    caught_up[lane] = time.monotonic() - returned
            return len(caught_up) == len(LANES)

        self._wait(all_caught_up, "the backlog is not cleared")
        cleared = sum(self._landed().values()) - sum(landed.values())
        return Report(
            source=source,
            rate_per_s=rate,
            outage_s=outage_s,
            rss_before_mb=round(before_mb, 1),
            rss_after_mb=round(tree_usage(self._flow.pid).peak_rss_mb, 1),
            backlog=backlog,
            delivered_caught_up_s=round(caught_up[Lane.DELIVERED], 1),
            read_caught_up_s=round(caught_up[Lane.READ], 1),
            clearing_per_s=round(cleared / (time.monotonic() - returned), 1),
            exact=False,
        )

    def _landed(self) -> dict[Lane, int]:
        with Warehouse(self._settings.clickhouse) as warehouse:
            found = dict(warehouse.query(_LANDED).iter_rows())
        return {lane: found.get(lane.value, 0) for lane in LANES}

    def _wait(self, condition: Callable[[], bool], otherwise: str) -> None:
        deadline_s = time.monotonic() + _GIVES_UP_S
        while not condition():
            if time.monotonic() > deadline_s or not self._flow.running():
                raise TidemarkError(f"{otherwise}: {self._flow.said()[-500:]}")
            time.sleep(_LOOK_EVERY_S)


def _in_words(report: Report) -> str:
    return (
        f"ClickHouse away for {report.outage_s:.0f} s at {report.rate_per_s:,.0f} events/s ({report.source}): the"
        f" flow's memory went from {report.rss_before_mb:,.0f} to {report.rss_after_mb:,.0f} MB; a backlog of"
        f" {report.backlog:,} cleared at {report.clearing_per_s:,.0f} events/s, Delivered after"
        f" {report.delivered_caught_up_s} s, Read after {report.read_caught_up_s} s;"
        f" {'exact' if report.exact else 'NOT exact'}"
    )
