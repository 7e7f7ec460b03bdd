"""Promises of the sender, each shown by a run against the simulator: `python -m loadgen.sends.trials NAME --json`.

`budget`: two processes under one Redis limit, and Redis killed and back. `outage`: a provider that refuses everything
for a while. `priority`: critical, standard and bulk at once under one limit. Every figure is by arrival there.
"""

import argparse
import sys
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

import msgspec
from msgspec import Struct

from loadgen.command import INEXACT, parser, run, scratch
from loadgen.provider.ledger import most_ahead_s
from loadgen.sends.stage import Redis, Stage
from schemas.errors import UsageError

_ENDS_WITHIN_S = 200.0
_STEADY_AFTER_S = 2.0
_MOST_AHEAD_MS = 110.0
"""A limit makes up for stalls of 100 ms (`flows.sending.gcra`), so as much may come at once; the rest is the way."""
_CRITICAL_WAITS_S = 5.0


class Report(Struct, kw_only=True):
    """What `--json` prints: `wrong` is empty where the promise holds."""

    name: str
    figures: dict[str, float]
    wrong: list[str]


class _Moments(Struct):
    """Seconds of the monotonic clock: both send, Redis is killed, it is back, the end."""

    began: float
    killed: float
    back: float
    ended: float


def budget(stage: Stage, rate: float, seconds: float) -> Report:
    """Two processes that both want all of it; Redis goes for a fifth of the time."""
    redis = Redis()
    redis.start()
    try:
        moments = _with_redis_killed(stage, redis, rate, seconds)
    finally:
        redis.kill()
    times = [one.arrived for one in stage.taken()]
    figures = {
        "limit_per_s": rate,
        "per_s": _per_s(times, moments.began, moments.killed),
        "without_redis_per_s": _per_s(times, moments.killed, moments.back),
        "back_per_s": _per_s(times, moments.back + _STEADY_AFTER_S, moments.ended),
        "most_ahead_ms": round(most_ahead_s((at for at in times if at >= moments.began), rate) * 1000, 1),
    }
    wrong = [
        f"{name} is {figures[name]:.0f}, not within 1 % of {rate:.0f}"
        for name in ("per_s", "back_per_s")
        if abs(figures[name] / rate - 1) > 0.01
    ]
    if figures["most_ahead_ms"] > _MOST_AHEAD_MS:
        wrong.append(f"{figures['most_ahead_ms']:.0f} ms ahead of the limit")
    return Report(name="budget", figures=figures, wrong=wrong)


def _with_redis_killed(stage: Stage, redis: Redis, rate: float, seconds: float) -> _Moments:
    names = {"left", "right"}
    for name in sorted(names):
        path = stage.campaign(name, int(rate * seconds), rates={"overall": rate})
        stage.send(path, redis=redis.url, senders=len(names))
    stage.wait_for(lambda: {one.campaign_id for one in stage.taken()} == names, "not both send")
    time.sleep(_STEADY_AFTER_S)
    began = time.monotonic()
    time.sleep(seconds * 0.4)
    redis.kill()
    killed = time.monotonic()
    time.sleep(seconds * 0.2)
    redis.start()
    back = time.monotonic()
    time.sleep(seconds * 0.4)
    return _Moments(began, killed, back, time.monotonic())


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
    taken = stage.taken()
    refused = sorted(one.arrived for one in stage.provider.ledger() if one.status == 503)
    after = min(one.arrived for one in taken if one.arrived > refused[-1])
    figures = {
        "outage_s": seconds,
        "audience": rows,
        "sent": len(taken),
        "refused": len(refused),
        "first_after_s": round(after - refused[0] - seconds, 1),
    }
    wrong = [f"exit code {code}"] if code else []
    if Counter(one.message_key for one in taken) != Counter(range(rows)):
        wrong.append("not everyone once")
    if "breaker open" not in sending.said():
        wrong.append("the breaker did not open")
    return Report(name="outage", figures=figures, wrong=wrong)


def priority(stage: Stage, rate: float, seconds: float) -> Report:
    """Bulk for all the time, standard for a third of it, critical for two seconds, all at once."""
    sizes = {"bulk": rate * seconds, "standard": rate * seconds * 0.3, "critical": rate * 2}
    rates = {"overall": rate}
    paths = [stage.campaign(name, int(rows), priority=name, rates=rates) for name, rows in sizes.items()]
    sending = stage.send(*paths)
    code = sending.wait(_ENDS_WITHIN_S + seconds)
    waits = {one["campaign_id"]: one["queue_p99_s"] for one in sending.summary()["campaigns"]}
    taken = stage.taken()
    wanted = [one.arrived for one in taken if one.campaign_id != "bulk"]
    busy = [one.campaign_id for one in taken if wanted[0] <= one.arrived <= wanted[-1]]
    figures = {
        "limit_per_s": rate,
        "per_s": _per_s([one.arrived for one in taken], wanted[0], wanted[-1]),
        "bulk_share": round(busy.count("bulk") / len(busy), 3),
        **{f"{name}_p99_s": wait for name, wait in waits.items()},
    }
    wrong = [f"exit code {code}"] if code else []
    if waits["critical"] > _CRITICAL_WAITS_S:
        wrong.append(f"critical waited {waits['critical']} s")
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
