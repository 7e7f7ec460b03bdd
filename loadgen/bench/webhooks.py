"""How many webhooks a second? `python -m loadgen.bench webhooks --json`, against a bare echo on the same server.

The receiver verifies and writes to TIDEMARK_BROKER (default: a file topic in a folder that is gone afterwards). It and
the echo have a core of their own in turn, the load tool has the other: `server_core_busy` and `echo_core_busy` say how
much of theirs they used, and below 0.9 the figures compare something else.
"""

import argparse
import os
import statistics
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from urllib.parse import urlsplit

import msgspec
import uvloop
from msgspec import Struct

from loadgen.command import parser, scratch
from loadgen.proc import cpu_s
from loadgen.processes import variables
from loadgen.webhooks.client import Load, pace, saturate
from loadgen.webhooks.requests import Maker, Secrets, new_secrets
from schemas.errors import UsageError
from schemas.settings import Settings
from schemas.times import wall_clock

_BATCH = 50
_CONNECTIONS = 256
_DISTINCT_BYTES = 4 << 20
_RECEIVER = ("-m", "api.webhooks", "--port", "0")
_ECHO = ("-m", "loadgen.bench.echo_app")


class Measured(Struct, kw_only=True):
    """A server under as much load as it takes."""

    requests_per_s: float
    cpu_us_per_request: float
    core_busy: float


class Report(Struct, kw_only=True):
    """What `--json` prints: medians of the rounds; the first seven for one WhatsApp status a post."""

    echo_requests_per_s: float
    requests_per_s: float
    ratio_to_echo: float
    server_cpu_us_per_request: float
    echo_cpu_us_per_request: float
    events_per_s_batch50: float
    p99_ms_at_half_load: float
    server_core_busy: float
    echo_core_busy: float
    batch50_cpu_us_per_event: float
    batch50_core_busy: float
    half_load_requests_per_s: float
    p50_ms_at_half_load: float
    errors: int
    rounds: int


class Server:
    """A server process on a core of its own, where there are two."""

    def __init__(self, process: "subprocess.Popen[str]") -> None:
        self.pid = process.pid
        if (os.cpu_count() or 1) > 1:
            os.sched_setaffinity(process.pid, {0})
        assert process.stdout is not None
        parts = urlsplit(process.stdout.readline().strip())
        if not parts.port:
            raise UsageError("the server did not start")
        self.host, self.port = str(parts.hostname), parts.port


@contextmanager
def _running(arguments: Sequence[str], settings: Settings) -> Iterator[Server]:
    inherited = {name: text for name, text in os.environ.items() if not name.startswith("TIDEMARK_")}
    process = subprocess.Popen(
        [sys.executable, *arguments], env=inherited | variables(settings), stdout=subprocess.PIPE, text=True
    )
    try:
        yield Server(process)
    finally:
        process.terminate()
        process.wait(20)


def _parser() -> argparse.ArgumentParser:
    told = parser("loadgen.bench webhooks", __doc__)
    add = told.add_argument
    add("--rounds", type=int, default=3, help="default: %(default)s")
    add("--seconds", type=float, default=4.0, help="of each measurement (default: %(default)s)")
    add("--json", action="store_true", help="end with one JSON object")
    return told


def command(arguments: list[str]) -> int:
    """The exit code: 1 where a request was not answered 2xx."""
    options = _parser().parse_args(arguments)
    if options.rounds < 1 or options.seconds < 0.5:
        raise UsageError("--rounds from 1, --seconds from 0.5")
    if (os.cpu_count() or 1) > 1:
        os.sched_setaffinity(0, set(range(1, os.cpu_count() or 2)))
    with scratch(wall_clock()) as (settings, _):
        report = _compare(settings, options.rounds, options.seconds)
    print(msgspec.json.encode(report).decode() if options.json else _in_words(report))
    return 1 if report.errors else 0


def _compare(settings: Settings, rounds: int, seconds: float) -> Report:
    """Echo, receiver, receiver with batches, in turn: a machine that slows down slows all of them."""
    secrets = new_secrets()
    own = msgspec.structs.replace(settings, webhook_secrets=secrets.configured())
    echo: list[Measured] = []
    single: list[Measured] = []
    batches: list[Measured] = []
    halves: list[Load] = []
    errors = 0
    for _ in range(rounds):
        with _running(_ECHO, settings) as server:
            load, measured = _saturated(server, _requests(server, secrets, 1), seconds)
            errors += load.errors
            echo.append(measured)
        with _running(_RECEIVER, own) as server:
            for statuses, found in ((1, single), (_BATCH, batches)):
                load, measured = _saturated(server, _requests(server, secrets, statuses), seconds)
                errors += load.errors
                found.append(measured)
            rate = single[-1].requests_per_s / 2
            requests = _requests(server, secrets, 1)
            halves.append(uvloop.run(pace(server.host, server.port, requests, _CONNECTIONS, rate, seconds)))
            errors += halves[-1].errors
    return _report(echo, single, batches, halves, errors)


def _requests(server: Server, secrets: Secrets, statuses: int) -> list[bytes]:
    maker = Maker(f"http://{server.host}:{server.port}", secrets)
    first = maker.meta(statuses)
    return [first, *(maker.meta(statuses) for _ in range(_DISTINCT_BYTES // len(first)))]


def _saturated(server: Server, requests: list[bytes], seconds: float) -> tuple[Load, Measured]:
    """Warm first: what is imported and compiled then is not what is measured."""
    uvloop.run(saturate(server.host, server.port, requests, _CONNECTIONS, seconds / 4))
    before_s = cpu_s(server.pid)
    load = uvloop.run(saturate(server.host, server.port, requests, _CONNECTIONS, seconds))
    used_s = cpu_s(server.pid) - before_s
    return load, Measured(
        requests_per_s=load.requests / seconds,
        cpu_us_per_request=used_s / max(load.requests, 1) * 1e6,
        core_busy=used_s / seconds,
    )


def _median(found: Sequence[Measured], name: str) -> float:
    return float(statistics.median(getattr(measured, name) for measured in found))


def _report(
    echo: list[Measured], single: list[Measured], batches: list[Measured], halves: list[Load], errors: int
) -> Report:
    ratios = [ours.requests_per_s / bare.requests_per_s for ours, bare in zip(single, echo, strict=True)]
    return Report(
        echo_requests_per_s=round(_median(echo, "requests_per_s"), 1),
        requests_per_s=round(_median(single, "requests_per_s"), 1),
        ratio_to_echo=round(statistics.median(ratios), 3),
        server_cpu_us_per_request=round(_median(single, "cpu_us_per_request"), 1),
        echo_cpu_us_per_request=round(_median(echo, "cpu_us_per_request"), 1),
        events_per_s_batch50=round(_median(batches, "requests_per_s") * _BATCH, 1),
        p99_ms_at_half_load=round(statistics.median(load.quantile_ms(0.99) for load in halves), 2),
        server_core_busy=round(_median(single, "core_busy"), 2),
        echo_core_busy=round(_median(echo, "core_busy"), 2),
        batch50_cpu_us_per_event=round(_median(batches, "cpu_us_per_request") / _BATCH, 2),
        batch50_core_busy=round(_median(batches, "core_busy"), 2),
        half_load_requests_per_s=round(statistics.median(load.requests / load.seconds for load in halves), 1),
        p50_ms_at_half_load=round(statistics.median(load.quantile_ms(0.5) for load in halves), 2),
        errors=errors,
        rounds=len(single),
    )


def _in_words(report: Report) -> str:
    return "\n".join(
        [
            f"one status a post: {report.requests_per_s:,.0f} requests/s, {report.ratio_to_echo:.0%} of a bare echo's"
            f" {report.echo_requests_per_s:,.0f} (cores {report.server_core_busy:.0%} and {report.echo_core_busy:.0%}"
            f" busy); {report.server_cpu_us_per_request:.0f} µs CPU a request, the echo's"
            f" {report.echo_cpu_us_per_request:.0f}",
            f"{_BATCH} statuses a post: {report.events_per_s_batch50:,.0f} events/s,"
            f" {report.batch50_cpu_us_per_event} µs CPU an event",
            f"at {report.half_load_requests_per_s:,.0f} requests/s: p50 {report.p50_ms_at_half_load} ms,"
            f" p99 {report.p99_ms_at_half_load} ms; not answered 2xx: {report.errors}",
        ]
    )
