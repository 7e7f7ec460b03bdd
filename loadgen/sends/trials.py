"""Promises of the sender, each shown by a run against the simulator: `python -m loadgen.sends.trials NAME --json`.

`budget`: two processes under one Redis limit, and Redis killed and back. `outage`: a provider that refuses everything
for a while. `priority`: critical, standard and bulk at once under one limit. Every figure is by arrival there.
"""

import argparse
import shutil
import socket
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import msgspec
from msgspec import Struct

from flows.sources import make_topics
from loadgen.command import INEXACT, parser, scratch
from loadgen.processes import variables
from loadgen.provider.ledger import Entry, most_ahead_s
from loadgen.sends.scene import write_audience, write_campaign
from loadgen.sends.simulated import Provider, Sending, wait_until
from schemas.errors import TidemarkError, UsageError
from schemas.settings import Settings
from schemas.topics import OUTBOUND
from sql.cli import run

_STARTS_WITHIN_S = 60.0
_ENDS_WITHIN_S = 200.0
_AHEAD_S = 0.1
"""A limit makes up for stalls of so much (`flows.sending.gcra`), so as much may come at once."""
_ANYONE_WAITS_S = 5.0


class Report(Struct, kw_only=True):
    """What `--json` prints: `wrong` is empty where the promise holds."""

    name: str
    figures: dict[str, float]
    wrong: list[str]


class Stage:
    """A simulator, campaigns sent to it, and what arrived."""

    def __init__(self, settings: Settings, folder: Path) -> None:
        make_topics(settings, OUTBOUND)
        self._settings = settings
        self.folder = folder
        self.provider = Provider("--latency-ms", "40", log=folder / "provider.log")
        self._sendings: list[Sending] = []

    def campaign(self, name: str, rows: int, **fields: Any) -> str:
        write_audience(self.folder / f"{name}.csv", rows, plain=True)
        audience = {"file": f"{name}.csv"}
        return str(write_campaign(self.folder, self.provider.url, id=name, audience=audience, **fields))

    def send(self, *paths: str, **changes: Any) -> Sending:
        settings = msgspec.structs.replace(self._settings, **changes)
        log = self.folder / f"send-{len(self._sendings)}.log"
        sending = Sending([*paths, "--json"], variables(settings), log)
        self._sendings.append(sending)
        return sending

    def taken(self) -> list[Entry]:
        """In the order of arrival."""
        return sorted((one for one in self.provider.ledger() if one.status == 200), key=lambda one: one.arrived)

    def wait_for(self, condition: Callable[[], bool], otherwise: str) -> None:
        wait_until(condition, _STARTS_WITHIN_S, otherwise)

    def close(self) -> None:
        for sending in self._sendings:
            sending.kill()
        self.provider.close()


class Redis:
    """Debian's, on loopback, without persistence. Raises TidemarkError where there is none."""

    def __init__(self) -> None:
        program = shutil.which("redis-server")
        if program is None:
            raise TidemarkError("redis-server is not here; apt-get install redis-server")
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        self.url = f"redis://127.0.0.1:{port}"
        self._command = [program, "--port", str(port), "--save", "", "--appendonly", "no", "--bind", "127.0.0.1"]
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        self._process = subprocess.Popen(self._command, stdout=subprocess.DEVNULL)

    def kill(self) -> None:
        if self._process:
            self._process.kill()
            self._process.wait()
            self._process = None


def budget(stage: Stage, rate: float, seconds: float) -> Report:
    """Both want all of it; Redis goes for a fifth of the time."""
    rows = int(rate * seconds)
    redis = Redis()
    redis.start()
    try:
        paths = [stage.campaign(name, rows, rates={"overall": rate}) for name in ("left", "right")]
        both = [stage.send(path, redis=redis.url, senders=2) for path in paths]
        stage.wait_for(lambda: {one.campaign_id for one in stage.taken()} == {"left", "right"}, "not both send")
        began = time.monotonic() + 2
        time.sleep(2 + seconds * 0.4)
        redis.kill()
        killed = time.monotonic()
        time.sleep(seconds * 0.2)
        redis.start()
        back = time.monotonic()
        time.sleep(seconds * 0.4)
        ended = time.monotonic()
    finally:
        redis.kill()
    for sending in both:
        sending.kill()
    times = [one.arrived for one in stage.taken()]
    together = [one for one in times if began <= one]
    figures = {
        "limit_per_s": rate,
        "per_s": _per_s(times, began, killed),
        "without_redis_per_s": _per_s(times, killed, back),
        "back_per_s": _per_s(times, back + 2, ended),
        "most_ahead_ms": round(most_ahead_s(together, rate) * 1000, 1),
    }
    wrong = [
        f"{name} is {figures[name]:.0f}, not within 1 % of {rate:.0f}"
        for name in ("per_s", "back_per_s")
        if abs(figures[name] / rate - 1) > 0.01
    ]
    if figures["most_ahead_ms"] > _AHEAD_S * 1000 + 10:
        wrong.append(f"{figures['most_ahead_ms']:.0f} ms ahead of the limit")
    return Report(name="budget", figures=figures, wrong=wrong)


def _per_s(times: list[float], first: float, last: float) -> float:
    return round(sum(first <= at < last for at in times) / (last - first), 1)


def outage(stage: Stage, rate: float, seconds: float) -> Report:
    """A provider that refuses everything for `seconds`."""
    rows = int(rate * 20)
    retry = {"attempts": 10, "first_wait": "1s", "longest_wait": "10s"}
    sending = stage.send(stage.campaign("outage", rows, rates={"campaign": rate}, retry=retry))
    stage.wait_for(lambda: stage.provider.taken() > rate * 3, "nothing is sent")
    stage.provider.conduct(outage="refuse", outage_s=seconds)
    code = sending.wait(_ENDS_WITHIN_S + seconds)
    ledger, taken = stage.provider.ledger(), stage.taken()
    refused = [one.arrived for one in ledger if one.status == 503]
    after = [one.arrived for one in taken if one.arrived > max(refused)]
    figures = {
        "outage_s": seconds,
        "sent": len(taken),
        "audience": rows,
        "refused": len(refused),
        "refused_after_a_second": sum(at > min(refused) + 1 for at in refused),
        "first_after_s": round(after[0] - (min(refused) + seconds), 1),
    }
    wrong = []
    if Counter(one.message_key for one in taken) != Counter(range(rows)):
        wrong.append("not everyone once")
    if "breaker open" not in sending.said():
        wrong.append("the breaker did not open")
    if code:
        wrong.append(f"exit code {code}")
    return Report(name="outage", figures=figures, wrong=wrong)


def priority(stage: Stage, rate: float, seconds: float) -> Report:
    """Bulk wants more than all of it, all the while; critical and standard come in once it is at full speed."""
    rates = {"overall": rate}
    sizes = {"critical": rate * 2, "standard": rate * seconds * 0.3, "bulk": rate * seconds}
    bulk = stage.campaign("bulk", int(sizes["bulk"]), priority="bulk", rates=rates)
    others = [stage.campaign(name, int(sizes[name]), priority=name, rates=rates) for name in ("standard", "critical")]
    sending = stage.send(bulk, *others)
    code = sending.wait(_ENDS_WITHIN_S + seconds)
    summary = {one["campaign_id"]: one for one in sending.summary()["campaigns"]}
    taken = stage.taken()
    spans = {name: [one.arrived for one in taken if one.campaign_id == name] for name in sizes}
    first, last = spans["critical"][0], max(spans["critical"][-1], spans["standard"][-1])
    busy = [one.campaign_id for one in taken if first <= one.arrived <= last]
    figures = {
        "limit_per_s": rate,
        "critical_p99_s": summary["critical"]["queue_p99_s"],
        "standard_p99_s": summary["standard"]["queue_p99_s"],
        "bulk_p99_s": summary["bulk"]["queue_p99_s"],
        "bulk_share": round(busy.count("bulk") / len(busy), 3),
        "per_s": _per_s([one.arrived for one in taken], first, last),
    }
    wrong = [f"exit code {code}"] if code else []
    if figures["critical_p99_s"] > _ANYONE_WAITS_S:
        wrong.append(f"critical waited {figures['critical_p99_s']} s")
    if not 0.08 <= figures["bulk_share"] <= 0.2:
        wrong.append(f"bulk had {figures['bulk_share']:.0%}, not about its tenth")
    return Report(name="priority", figures=figures, wrong=wrong)


TRIALS = {"budget": budget, "outage": outage, "priority": priority}


@contextmanager
def _stage() -> Iterator[Stage]:
    with scratch(0) as (settings, folder):
        stage = Stage(settings, folder)
        try:
            yield stage
        finally:
            stage.close()


def _parser() -> argparse.ArgumentParser:
    told = parser("loadgen.sends.trials", __doc__)
    add = told.add_argument
    add("name", choices=TRIALS, help="which promise")
    add("--rate", type=float, default=1_000, help="the limit, messages a second (default: %(default)s)")
    add("--seconds", type=float, default=30, help="of sending, or of the outage (default: %(default)s)")
    add("--json", action="store_true", help="end with one JSON object")
    return told


def main(arguments: list[str] | None = None) -> int:
    """The exit code: 0, 1 for a promise that is not kept, 2 for wrong arguments."""
    return run("loadgen.sends.trials", lambda: _command(_parser().parse_args(arguments)))


def _command(options: argparse.Namespace) -> int:
    if options.rate < 10 or options.seconds < 1:
        raise UsageError("--rate: from 10 on; --seconds: from 1 on")
    with _stage() as stage:
        report = TRIALS[options.name](stage, options.rate, options.seconds)
    print(msgspec.json.encode(report).decode() if options.json else _in_words(report))
    return INEXACT if report.wrong else 0


def _in_words(report: Report) -> str:
    figures = ", ".join(f"{name} {value:,}" for name, value in report.figures.items())
    return f"{figures}\n{'; '.join(report.wrong) or 'as promised'}"


if __name__ == "__main__":
    sys.exit(main())
