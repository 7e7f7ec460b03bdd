"""Kill the flows at random moments of a run, and see whether one figure is off: `python -m loadgen.kills --kills 20`.

A campaign's webhooks and outbound records are written at such a pace that rows are in flight at each kill;
`flows.route` and `flows.status` run as processes of their own, one of the two gets a SIGKILL and is started again at
once. At the end every figure is compared. TIDEMARK_BROKER and TIDEMARK_CLICKHOUSE choose other parts; what they name
must be empty. Without them everything stands in a folder that goes with the run.
"""

import argparse
import random
import sys
import threading
import time
from pathlib import Path

import msgspec
from msgspec import Struct

from flows.topics import Producer, open_producer
from loadgen.command import INEXACT, parser, run, scratch
from loadgen.demo.compare import differences
from loadgen.expected import Expected
from loadgen.plan import Plan, default_start_ms
from loadgen.processes import Flow, end, progress, variables, wait_until_read
from loadgen.writing import Run, append
from schemas.errors import TidemarkError, UsageError
from schemas.settings import Settings
from schemas.times import wall_clock
from sql.migrate import migrate
from sql.warehouse import Warehouse

FLOWS = ("route", "status")
EVENTS_PER_MESSAGE = 3.3
_SETTLES_WITHIN_S = 120.0
_STARTS_WITHIN_S = 4.0
_LOOK_EVERY_S = 0.1
_TICKS_PER_S = 20
_EARLY_KILLS = 0.25
"""So many come whatever the victim is doing."""

# Merged, a row that was written twice is one: kept apart, what replays brought can be counted.
_KEEP_APART = """
ALTER TABLE status_events MODIFY SETTING
    max_bytes_to_merge_at_max_space_in_pool = 1, parts_to_delay_insert = 100000, parts_to_throw_insert = 100000
"""
_REPLAYED = """
SELECT sum(copies - 1) AS rows FROM
(
    SELECT count() AS copies FROM status_events
    WHERE provider = {provider:String} AND event_time >= fromUnixTimestamp64Milli({since:Int64})
    GROUP BY campaign_id, message_key, attempt, status, error_code, raw_status, event_time, received_at
)
"""


class Report(Struct, kw_only=True):
    """What `--json` prints.

    `rows_replayed`: rows of status_events that were written again, byte for byte. Only of the provider that always
    echoes our ids, and of the time that the window spans: without a kill there are none.
    """

    messages: int
    kills: int
    killed: dict[str, int]
    events_in: int
    events_unique: int
    rows_replayed: int
    exit_codes: list[int]
    exact: bool
    seconds: float
    differences: list[str]


class _Writer(threading.Thread):
    """Writes the run at such a pace that it is not done before `hurry` is called."""

    def __init__(self, settings: Settings, plan: Plan, rate: float) -> None:
        super().__init__(name="writer", daemon=True)
        self._settings = settings
        self._plan = plan
        self._rate = rate
        self._hurries = threading.Event()
        self._expected: Expected | None = None
        self._failure: TidemarkError | None = None

    def run(self) -> None:
        producer = open_producer(self._settings)
        try:
            self._write(Run(self._plan, "webhook", producer.partitions), producer)
        except TidemarkError as error:
            self._failure = error
        finally:
            producer.close()

    def _write(self, campaign: Run, producer: Producer) -> None:
        events, started = 0, time.monotonic()
        for chunk in campaign.chunks(events_per_chunk=max(1, int(self._rate / _TICKS_PER_S))):
            append(producer, chunk)
            producer.flush()
            events += chunk.events
            self._hurries.wait(max(0.0, started + events / self._rate - time.monotonic()))
        self._expected = campaign.expected()

    def hurry(self) -> Expected:
        """Write the rest flat out; what must come of it all. Raises TidemarkError."""
        self._hurries.set()
        self.join()
        if self._expected is None:
            raise self._failure or TidemarkError("the writer ended before its time")
        return self._expected


class _Flows:
    """Route and status, each started again as soon as it was killed."""

    def __init__(self, settings: Settings, logs: Path) -> None:
        self._settings = settings
        self._logs = logs
        self._flows: dict[str, Flow] = {}
        self._stood: dict[str, list[object]] = {}
        for name in FLOWS:
            self._start(name)

    def _start(self, name: str) -> None:
        self._stood[name] = progress(self._settings, name)
        self._flows[name] = Flow(["-m", f"flows.{name}"], variables(self._settings), self._logs / f"{name}.log")

    def wait_until_at_work(self) -> None:
        """Until both have moved since their start."""
        deadline_s = time.monotonic() + _SETTLES_WITHIN_S
        for name, stood in self._stood.items():
            while progress(self._settings, name) == stood and time.monotonic() < deadline_s:
                self._check(name)
                time.sleep(_LOOK_EVERY_S)

    def _check(self, name: str) -> None:
        if not self._flows[name].running():
            raise TidemarkError(f"flows.{name} ended by itself: {self._flows[name].said()[-1000:]}")

    def kill(self, name: str) -> None:
        self._check(name)
        self._flows[name].kill()
        self._start(name)

    def finish(self) -> list[int]:
        """Let them read all there is, then end; their exit codes."""
        wait_until_read(self._settings, self._flows.values(), _SETTLES_WITHIN_S)
        return end(self._flows.values())

    def close(self) -> None:
        for flow in self._flows.values():
            flow.kill()


def run_kills(settings: Settings, plan: Plan, kills: int, pause_s: float, logs: Path) -> Report:
    """Play `plan` into empty topics and tables, with `kills` in the midst of it. Raises TidemarkError."""
    started = time.monotonic()
    with Warehouse(settings.clickhouse, create=True) as warehouse:
        migrate(warehouse)
        warehouse.command(_KEEP_APART)
    slowest_s = 2 * (kills + 1) * (pause_s + _STARTS_WITHIN_S)
    writer = _Writer(settings, plan, plan.messages * EVENTS_PER_MESSAGE / slowest_s)
    flows = _Flows(settings, logs)
    try:
        writer.start()
        victims = _kill(flows, kills, pause_s, random.Random(plan.seed))
        expected = writer.hurry()
        codes = flows.finish()
    finally:
        flows.close()
    return _report(settings, plan, expected, victims, codes, time.monotonic() - started)


def _kill(flows: _Flows, kills: int, pause_s: float, chance: random.Random) -> list[str]:
    """Who was killed: most of them at work, some while they were still starting."""
    victims = [FLOWS[kill % len(FLOWS)] for kill in range(kills)]
    chance.shuffle(victims)
    for victim in victims:
        if chance.random() > _EARLY_KILLS:
            flows.wait_until_at_work()
        time.sleep(chance.uniform(0, 2) * pause_s)
        flows.kill(victim)
    return victims


def _report(
    settings: Settings, plan: Plan, expected: Expected, victims: list[str], codes: list[int], seconds: float
) -> Report:
    with Warehouse(settings.clickhouse) as warehouse:
        wrong = differences(warehouse, expected)
        parameters = {"provider": plan.mix[0].name, "since": plan.end_ms - settings.window}
        replayed = int(warehouse.query(_REPLAYED, parameters)["rows"][0])
    return Report(
        messages=plan.messages,
        kills=len(victims),
        killed={name: victims.count(name) for name in FLOWS},
        events_in=expected.events_in,
        events_unique=expected.events_unique,
        rows_replayed=replayed,
        exit_codes=codes,
        exact=not wrong,
        seconds=round(seconds, 3),
        differences=wrong,
    )


def _parser() -> argparse.ArgumentParser:
    told = parser("loadgen.kills", __doc__)
    add = told.add_argument
    add("--messages", type=int, default=300_000, help="audience of the campaign (default: %(default)s)")
    add("--kills", type=int, default=20, help="how many (default: %(default)s)")
    add("--pause", type=float, default=1.5, help="seconds at work before each, on average (default: %(default)s)")
    add("--seed", type=int, default=1, help="another seed, another campaign and other moments (default: %(default)s)")
    add("--json", action="store_true", help="end with one JSON object")
    return told


def main(arguments: list[str] | None = None) -> int:
    """The exit code: 0, 1 for figures that are off, 2 for wrong arguments."""
    return run("loadgen.kills", lambda: _command(_parser().parse_args(arguments)))


def _command(options: argparse.Namespace) -> int:
    if options.kills < 0 or not 0 < options.pause < 3600:
        raise UsageError("--kills: from 0 on; --pause: more than 0 seconds, less than an hour")
    plan = Plan(seed=options.seed, messages=options.messages, start_ms=default_start_ms(wall_clock()))
    with scratch(plan.end_ms, EPOCH="1s") as (settings, folder):
        report = run_kills(settings, plan, options.kills, options.pause, folder)
    print(msgspec.json.encode(report).decode() if options.json else _in_words(report))
    return 0 if report.exact else INEXACT


def _in_words(report: Report) -> str:
    verdict = "every figure is exact" if report.exact else "\n".join(["NOT exact:", *report.differences[:20]])
    return (
        f"{report.messages:,} messages, {report.events_in:,} events, killed {report.killed},"
        f" {report.rows_replayed:,} rows written again\n{verdict}"
    )


if __name__ == "__main__":
    sys.exit(main())
