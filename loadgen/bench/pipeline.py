"""How many status events a second? `python -m loadgen.bench pipeline --messages 2000000 --json`.

Lane topics are written first; then `flows.status` runs over them, from its start to the last row queryable, over empty
tables each round. TIDEMARK_BROKER=kafka://… puts the topics there: they must be empty, and there is one round.
"""

import argparse
import statistics

import msgspec
from msgspec import Struct

from loadgen.bench.lane_events import STATUSES
from loadgen.bench.tidemark import Measured, measure
from loadgen.command import INEXACT, parser, scratch
from schemas.errors import UsageError
from schemas.times import wall_clock


class Report(Struct, kw_only=True):
    """What `--json` prints: medians of the rounds."""

    events: int
    rounds: int
    events_per_s: float
    cpu_us_per_event: float
    peak_rss_mb: float
    exact: bool
    rates: list[float]


def _parser() -> argparse.ArgumentParser:
    told = parser("loadgen.bench pipeline", __doc__)
    add = told.add_argument
    add("--messages", type=int, default=2_000_000, help="three events each (default: %(default)s)")
    add("--rounds", type=int, default=3, help="default: %(default)s")
    add("--events-per-record", type=int, default=100, help="default: %(default)s")
    add("--json", action="store_true", help="end with one JSON object")
    return told


def command(arguments: list[str]) -> int:
    """The exit code: 0, or 1 for figures that are off."""
    return _measure(_parser().parse_args(arguments))


def _measure(options: argparse.Namespace) -> int:
    if min(options.messages, options.rounds, options.events_per_record) < 1:
        raise UsageError("--messages, --rounds and --events-per-record: from 1 on")
    report = _report([_round(options) for _ in range(options.rounds)])
    print(msgspec.json.encode(report).decode() if options.json else _in_words(report))
    return 0 if report.exact else INEXACT


def _round(options: argparse.Namespace) -> Measured:
    with scratch(wall_clock()) as (settings, _):
        if options.rounds > 1 and not settings.broker.startswith("file://"):
            raise UsageError("--rounds 1 with a broker: its topics hold what the round before wrote")
        return measure(settings, options.messages, options.events_per_record)


def _report(rounds: list[Measured]) -> Report:
    rates = [round(one.events / one.seconds, 1) for one in rounds]
    return Report(
        events=rounds[0].events,
        rounds=len(rounds),
        events_per_s=statistics.median(rates),
        cpu_us_per_event=round(statistics.median(one.cpu_us_per_event for one in rounds), 2),
        peak_rss_mb=round(max(one.peak_rss_mb for one in rounds), 1),
        exact=all(one.exact for one in rounds),
        rates=rates,
    )


def _in_words(report: Report) -> str:
    verdict = "every figure is exact" if report.exact else "NOT exact"
    return (
        f"{report.events_per_s:,.0f} events/s (median of {report.rounds}), {report.cpu_us_per_event} µs CPU an event,"
        f" {report.peak_rss_mb:,.0f} MB; {len(STATUSES)} statuses a message, {report.events:,} events: {verdict}"
    )
