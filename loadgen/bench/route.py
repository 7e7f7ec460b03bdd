"""How many status events does `flows.route` write in a second? `python -m loadgen.bench route --json`.

Raw WhatsApp bodies are written first; one process reads them to the end into the lanes' topics, whose lines are then
counted. The figures are for a mean of five statuses a body, half of the bodies holding one; beside it for bodies of
exactly 1 and of exactly 50. `--source kafka` as in `loadgen.bench pipeline`.
"""

import argparse
import statistics
import sys
import tempfile
from pathlib import Path

import msgspec
from msgspec import Struct

from flows.sources import make_topics
from flows.stopping import Stop
from flows.topics import open_producer
from loadgen.bench.bodies import Written, bodies_plan, count_routed, write_bodies
from loadgen.bench.contender import Contender, Measured
from loadgen.bench.contest import Run, Task, compete
from loadgen.bench.inputs import broker_at
from loadgen.command import INEXACT, parser
from loadgen.plan import default_start_ms
from loadgen.warm import run_route
from schemas.errors import UsageError
from schemas.settings import Settings
from schemas.times import wall_clock
from schemas.topics import TOPICS

MEAN = 5.0
PER_BODY = (1.0, MEAN, 50.0)
_WITHIN_S = 600.0


class BodyReport(Struct, kw_only=True):
    """Medians of the rounds."""

    events_per_s: float
    bodies_per_s: float
    cpu_us_per_event: float
    peak_rss_mb: float
    exact: bool


class Report(Struct, kw_only=True):
    """What `--json` prints: rate and processor time at the mean, and all by statuses a body."""

    source: str
    rounds: int
    events_per_s: float
    cpu_us_per_event: float
    exact: bool
    by_statuses_per_body: dict[str, BodyReport]


def prepare(task: Task) -> Run:
    settings = Settings(broker=task.broker, recovery=task.folder, clickhouse=task.clickhouse, clock=task.clock)
    return lambda: run_route(settings, Stop(), lambda: True)


def _parser() -> argparse.ArgumentParser:
    told = parser("loadgen.bench route", __doc__)
    add = told.add_argument
    add("--source", choices=("file", "kafka"), default="file", help="default: %(default)s")
    add("--events", type=int, default=1_000_000, help="about so many each time (default: %(default)s)")
    add("--rounds", type=int, default=3, help="default: %(default)s")
    add("--json", action="store_true", help="end with one JSON object")
    return told


def command(arguments: list[str]) -> int:
    """The exit code: 0, or 1 where events are missing."""
    options = _parser().parse_args(arguments)
    if min(options.events, options.rounds) < 1:
        raise UsageError("--events and --rounds: from 1 on")
    report = run_bench(options.source, options.events, options.rounds)
    print(msgspec.json.encode(report).decode() if options.json else _in_words(report))
    return 0 if report.exact else INEXACT


def run_bench(source: str, events: int, rounds: int) -> Report:
    """Raises TidemarkError."""
    runs = {per_body: [_measure(source, events, per_body) for _ in range(rounds)] for per_body in PER_BODY}
    reports = {f"{per_body:g}": _body_report(measured) for per_body, measured in runs.items()}
    mean = reports[f"{MEAN:g}"]
    return Report(
        source=source,
        rounds=rounds,
        events_per_s=mean.events_per_s,
        cpu_us_per_event=mean.cpu_us_per_event,
        exact=all(one.exact for one in reports.values()),
        by_statuses_per_body=reports,
    )


class _Round(Struct):
    written: Written
    measured: Measured
    routed: int


def _measure(source: str, events: int, per_body: float) -> _Round:
    with tempfile.TemporaryDirectory(prefix="tidemark-") as name, broker_at(source, Path(name)) as broker:
        folder, settings = Path(name), Settings(broker=broker)
        plan = bodies_plan(events, per_body, default_start_ms(wall_clock()))
        make_topics(settings, *TOPICS)
        producer = open_producer(settings)
        try:
            written = write_bodies(producer, plan)
        finally:
            producer.close()
        task = Task(
            broker=broker,
            topics=[],
            events=written.statuses,
            clickhouse=f"chdb://{folder}/clickhouse",
            folder=f"{folder}/recovery",
            name="route",
            clock=plan.end_ms,
        )
        contender = Contender([sys.executable, "-m", "loadgen.bench.route"], task, {}, folder / "route.log")
        return _Round(written, contender.measure(_WITHIN_S), count_routed(settings))


def _body_report(rounds: list[_Round]) -> BodyReport:
    written = rounds[0].written
    seconds = statistics.median(one.measured.seconds for one in rounds)
    cpu_s = statistics.median(one.measured.cpu_s for one in rounds)
    return BodyReport(
        events_per_s=round(written.statuses / seconds, 1),
        bodies_per_s=round(written.bodies / seconds, 1),
        cpu_us_per_event=round(1e6 * cpu_s / written.statuses, 2),
        peak_rss_mb=round(max(one.measured.peak_rss_mb for one in rounds), 1),
        exact=all(one.routed == one.written.statuses for one in rounds),
    )


def _in_words(report: Report) -> str:
    lines = [f"raw WhatsApp bodies to lane topics, {report.source}, medians of {report.rounds}"]
    for per_body, one in report.by_statuses_per_body.items():
        verdict = "all there" if one.exact else "NOT all there"
        lines.append(
            f"{per_body:>3} statuses a body: {one.events_per_s:,.0f} events/s ({one.bodies_per_s:,.0f} bodies/s),"
            f" {one.cpu_us_per_event} µs CPU an event, {one.peak_rss_mb:,.0f} MB, {verdict}"
        )
    return "\n".join(lines)


if __name__ == "__main__":
    compete(prepare)
