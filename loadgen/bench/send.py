"""How evenly, and how fast, does the sender send? `python -m loadgen.bench send --json`.

A campaign at `--rate` against the simulator, whose answers take `--latency-ms`; then one without a limit. Everything is
measured by arrival at the simulator, which runs in a process of its own.
"""

import argparse
import resource
from pathlib import Path
from typing import Any

import msgspec
from msgspec import Struct

from flows.sources import make_topics
from loadgen.command import INEXACT, parser, scratch
from loadgen.processes import variables
from loadgen.provider.ledger import Pace
from loadgen.sends.scene import write_audience, write_campaign
from loadgen.sends.simulated import Provider, Sending
from schemas.errors import TidemarkError, UsageError
from schemas.settings import Settings
from schemas.topics import OUTBOUND

_FREEZES_WITHIN_S = 120.0


class Report(Struct, kw_only=True):
    """What `--json` prints; the ratios are of the lowest second, and the highest 100 ms, against the limit's share.

    `cpu_us_per_dispatch` is all that the sender's process took, its start included, over its requests.
    """

    limit_per_s: float
    achieved_per_s: float
    worst_second_ratio: float
    worst_100ms_ratio: float
    cpu_us_per_dispatch: float
    unlimited_per_s: float
    unlimited_cpu_us_per_dispatch: float
    provider_cpu_us_per_request: float
    requests: int
    complete: bool


class Sent(Struct):
    pace: Pace
    cpu_us: float
    provider_cpu_us: float
    complete: bool


def _parser() -> argparse.ArgumentParser:
    told = parser("loadgen.bench send", __doc__)
    add = told.add_argument
    add("--rate", type=float, default=4_000, help="the limit, messages a second (default: %(default)s)")
    add("--seconds", type=float, default=60, help="how long at that rate (default: %(default)s)")
    add("--latency-ms", type=float, default=80, help="of the provider (default: %(default)s)")
    add("--unlimited", type=int, default=100_000, help="messages of the second run (default: %(default)s)")
    add("--json", action="store_true", help="end with one JSON object")
    return told


def command(arguments: list[str]) -> int:
    """The exit code: 0, or 1 where messages are missing."""
    options = _parser().parse_args(arguments)
    if options.rate <= 0 or options.seconds <= 0 or options.unlimited < 0:
        raise UsageError("--rate and --seconds: above 0; --unlimited: from 0 on")
    paced = _run(
        int(options.rate * options.seconds), options.latency_ms, {"rates": {"campaign": options.rate}}, options.rate
    )
    free = _run(options.unlimited, 5, {"concurrency": 256}, options.rate) if options.unlimited else None
    report = Report(
        limit_per_s=options.rate,
        achieved_per_s=paced.pace.per_s,
        worst_second_ratio=paced.pace.worst_second_ratio,
        worst_100ms_ratio=paced.pace.worst_100ms_ratio,
        cpu_us_per_dispatch=paced.cpu_us,
        unlimited_per_s=free.pace.per_s if free else 0.0,
        unlimited_cpu_us_per_dispatch=free.cpu_us if free else 0.0,
        provider_cpu_us_per_request=free.provider_cpu_us if free else paced.provider_cpu_us,
        requests=paced.pace.requests,
        complete=paced.complete and (free is None or free.complete),
    )
    print(msgspec.json.encode(report).decode() if options.json else _in_words(report))
    return 0 if report.complete else INEXACT


def _run(messages: int, latency_ms: float, fields: dict[str, Any], limit: float) -> Sent:
    with scratch(0) as (settings, folder):
        write_audience(folder / "people.csv", messages, plain=True)
        provider = Provider("--latency-ms", str(latency_ms), log=folder / "provider.log")
        try:
            path = write_campaign(folder, provider.url, **fields)
            return _send(settings, folder, path, provider, messages, limit)
        finally:
            provider.close()


def _send(settings: Settings, folder: Path, path: Path, provider: Provider, messages: int, limit: float) -> Sent:
    make_topics(settings, OUTBOUND)
    before, served = _children_cpu_s(), provider.cpu_s()
    sending = Sending([str(path), "--json"], variables(settings), folder / "send.log")
    within_s = messages / limit * 20 + _FREEZES_WITHIN_S
    code = sending.wait(within_s)
    if code not in (0, 3):
        raise TidemarkError(f"the sender ended with {code}: {sending.said()[-1000:]}")
    pace = provider.pace(limit)
    requests = max(pace.requests, 1)
    return Sent(
        pace=pace,
        cpu_us=round((_children_cpu_s() - before) / requests * 1e6, 1),
        provider_cpu_us=round((provider.cpu_s() - served) / requests * 1e6, 1),
        complete=pace.requests == messages,
    )


def _children_cpu_s() -> float:
    """Of children that have ended."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def _in_words(report: Report) -> str:
    return (
        f"{report.achieved_per_s:,.0f}/s of {report.limit_per_s:,.0f}/s, lowest second {report.worst_second_ratio:.1%},"
        f" the highest 100 ms {report.worst_100ms_ratio:.1%}, {report.cpu_us_per_dispatch:.0f} µs CPU a message;"
        f" without a limit {report.unlimited_per_s:,.0f}/s"
    )
