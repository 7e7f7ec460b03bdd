"""How long from the answer to a webhook until its status is on the page? Measured in the demo, at its full rate.

flows.send ─▶ loadgen.provider ─webhook─▶ api ─▶ route ─▶ status ─▶ ClickHouse ─▶ snapshot ─▶ this viewer
                    ▲                      │
                    └──2xx: the clock starts                                         here it stops

The n-th message whose `delivered` was answered 2xx is on the page with the first snapshot that shows n or more.
"""

import os
import signal
import subprocess
import sys
import tempfile
import time
from bisect import bisect_left
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple
from urllib.request import urlopen

import httpx
import msgspec
import yaml
from msgspec import Struct

from loadgen.command import parser
from loadgen.demo.sale import Sale
from loadgen.kafka_broker import free_port
from loadgen.processes import environment
from loadgen.provider.ledger import Told
from schemas.errors import TidemarkError, UsageError
from schemas.times import SECOND_MS
from sql.cli import progress

_PER_S = 200_000 / 180
"""Messages of the demo a second of its campaign."""
_STAGES = ("delivered", "read")
_STARTS_WITHIN_S = 90.0
_LEAST = 100
"""Statuses, to say anything of the slowest of a hundred."""


class Waited(Struct):
    """Milliseconds from the 2xx to the snapshot, of so many statuses."""

    statuses: int
    p50_ms: float
    p99_ms: float
    slowest_ms: float


class Report(Struct):
    """What `--json` prints; `snapshot_ms`: the median between two snapshots."""

    messages_per_s: float
    seconds: float
    snapshots: int
    snapshot_ms: float
    delivered: Waited
    read: Waited


class _Seen(NamedTuple):
    """A snapshot, when it came (UTC ms)."""

    at_ms: float
    figures: dict[str, int]


def command(arguments: list[str]) -> int:
    """The exit code: 0."""
    told = parser("loadgen.bench page", __doc__)
    told.add_argument("--seconds", type=int, default=60, help="that are watched (default: %(default)s)")
    told.add_argument("--json", action="store_true", help="end with one JSON object")
    options = told.parse_args(arguments)
    if not 10 <= options.seconds <= 600:
        raise UsageError("--seconds: from 10 to 600")
    report = measure(options.seconds)
    print(
        msgspec.json.encode(report).decode()
        if options.json
        else msgspec.json.format(msgspec.json.encode(report)).decode()
    )
    return 0


def measure(seconds: int) -> Report:
    # The campaign goes on for longer than it is watched, so that all of it is at the full rate.
    sale = Sale(messages=int((seconds + 30) * _PER_S), seconds=seconds + 30)
    with tempfile.TemporaryDirectory(prefix="tidemark-") as folder, _demo(Path(folder), sale) as url:
        provider = _provider_url(Path(folder))
        progress("waiting for the first delivery")
        seen = list(_watch(url, sale.id, seconds))
        with urlopen(f"{provider}/_told", timeout=60) as answer:
            told = [msgspec.json.decode(line, type=Told) for line in answer.read().splitlines()]
    return report_of(seen, [one for one in told if one.campaign_id == sale.id])


def report_of(seen: list[_Seen], told: list[Told]) -> Report:
    """Raises TidemarkError where too little was seen to say anything."""
    span_s = (seen[-1].at_ms - seen[0].at_ms) / SECOND_MS if len(seen) > 1 else 0
    if not span_s:
        raise TidemarkError("the page showed nothing in time")
    gaps = sorted(now.at_ms - before.at_ms for before, now in pairwise(seen))
    grown = seen[-1].figures["sent"] - seen[0].figures["sent"]
    return Report(
        messages_per_s=round(grown / span_s, 1),
        seconds=round(span_s, 1),
        snapshots=len(seen),
        snapshot_ms=round(gaps[len(gaps) // 2], 1),
        delivered=_waited(seen, told, "delivered"),
        read=_waited(seen, told, "read"),
    )


def _waited(seen: list[_Seen], told: list[Told], stage: str) -> Waited:
    """Of those answered while it was watched: what was there before the first snapshot would count as slow."""
    waits = waits_ms([(one.at_ms, one.figures[stage]) for one in seen], answers_ms(told, stage))
    if len(waits) < _LEAST:
        raise TidemarkError(f"only {len(waits)} statuses {stage!r} were seen")
    waits.sort()
    p50, p99 = (waits[int(len(waits) * share)] for share in (0.5, 0.99))
    return Waited(len(waits), round(p50, 1), round(p99, 1), round(waits[-1], 1))


def answers_ms(told: list[Told], stage: str) -> list[float]:
    """When each message's first status of the stage was answered 2xx, in order."""
    first: dict[int, float] = {}
    for one in told:
        if one.status == stage:
            first[one.message_key] = min(first.get(one.message_key, one.answered), one.answered)
    return sorted(first.values())


def waits_ms(shown: list[tuple[float, int]], answers: list[float]) -> list[float]:
    """`shown`: when how many were on the page. The n-th answer waits for the first snapshot with n or more; what came
    before the first snapshot, or is not shown yet, is left out."""
    figures, highest = [], 0
    for _, figure in shown:
        highest = max(highest, figure)
        figures.append(highest)
    waits = []
    for place, answered in enumerate(answers, start=1):
        snapshot = bisect_left(figures, place)
        if 0 < snapshot < len(shown) and answered >= shown[0][0]:
            waits.append(shown[snapshot][0] - answered)
    return waits


def _watch(url: str, campaign_id: str, seconds: int) -> Iterator[_Seen]:
    """From the first delivery on."""
    ends = time.monotonic() + _STARTS_WITHIN_S
    with httpx.stream("GET", f"{url}/api/campaigns/{campaign_id}/live", timeout=30) as answer:
        answer.raise_for_status()
        started = False
        for line in answer.iter_lines():
            if line.startswith("data: "):
                at_ms = time.time() * SECOND_MS
                figures = msgspec.json.decode(line[6:])["funnel"]
                if not started and figures["delivered"]:
                    started, ends = True, time.monotonic() + seconds
                if started:
                    yield _Seen(at_ms, {name: figures[name] for name in ("sent", *_STAGES)})
            if time.monotonic() > ends:
                return


@contextmanager
def _demo(folder: Path, sale: Sale) -> Iterator[str]:
    """Its address, once the campaign is known; in a session of its own, ended as Ctrl-C ends it."""
    port = free_port()
    words = ["--messages", str(sale.messages), "--seconds", str(sale.seconds)]
    with (folder / "demo.log").open("wb") as log, subprocess.Popen(
        [sys.executable, "-m", "loadgen.demo", *words], cwd=folder, env=environment({"TIDEMARK_HTTP_PORT": str(port)}),
        stdout=log, stderr=subprocess.STDOUT, start_new_session=True,
    ) as process:  # fmt: skip
        try:
            _wait_until_known(f"http://127.0.0.1:{port}/api/campaigns/{sale.id}", process, folder / "demo.log")
            yield f"http://127.0.0.1:{port}"
        finally:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGINT)
            try:
                process.wait(30)
            finally:
                with suppress(ProcessLookupError):
                    os.killpg(process.pid, signal.SIGKILL)


def _wait_until_known(url: str, process: "subprocess.Popen[bytes]", log: Path) -> None:
    deadline = time.monotonic() + _STARTS_WITHIN_S
    while True:
        with suppress(httpx.TransportError):
            if httpx.get(url, timeout=10).status_code == 200:
                return
        if process.poll() is not None or time.monotonic() > deadline:
            raise TidemarkError(f"the demo did not start: {log.read_text(errors='replace')[-500:]}")
        time.sleep(0.2)


def _provider_url(folder: Path) -> str:
    """As the campaign's file names it."""
    campaign = yaml.safe_load((folder / "data" / "demo" / "campaign.yaml").read_text())
    return str(campaign["connection"]["url"])
