"""Kill the flows at random moments of a run, and see whether one figure is off: `python -m loadgen.kills --kills 20`.

A campaign's webhooks and outbound records are written at such a pace that rows are in flight at each kill;
`flows.route` and `flows.status` run as processes of their own, one of the two gets a SIGKILL and is started again at
once. At the end every figure is compared. TIDEMARK_BROKER and TIDEMARK_CLICKHOUSE choose other parts; what they name
must be empty. Without them everything stands in a folder that goes with the run.
"""

import argparse
import os
import random
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import NoReturn

import msgspec
from msgspec import Struct

from flows.topics import open_producer
from loadgen.demo.compare import differences
from loadgen.expected import Expected
from loadgen.plan import Plan, default_start_ms
from loadgen.processes import Flow, end, variables, wait_until_read
from loadgen.writing import Run, write
from schemas.errors import TidemarkError, UsageError
from schemas.settings import PREFIX, Settings
from schemas.times import wall_clock
from sql.migrate import migrate
from sql.warehouse import Warehouse

FLOWS = ("route", "status")
EVENTS_PER_MESSAGE = 3.3
_INEXACT = 1
_SETTLES_WITHIN_S = 120.0

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
    """Writes the run at a pace that lasts for `seconds`."""

    def __init__(self, settings: Settings, plan: Plan, seconds: float) -> None:
        super().__init__(name="writer", daemon=True)
        self._settings = settings
        self._plan = plan
        self._rate = plan.messages * EVENTS_PER_MESSAGE / seconds
        self._expected: Expected | None = None
        self._failure: TidemarkError | None = None

    def run(self) -> None:
        producer = open_producer(self._settings)
        try:
            run = Run(self._plan, "webhook", producer.partitions)
            write(run, producer, self._rate)
            self._expected = run.expected()
        except TidemarkError as error:
            self._failure = error
        finally:
            producer.close()

    def expected(self) -> Expected:
        self.join()
        if self._expected is None:
            raise self._failure or TidemarkError("the writer ended before its time")
        return self._expected


def run_kills(settings: Settings, plan: Plan, kills: int, pause_s: float, logs: Path) -> Report:
    """Play `plan` into empty topics and tables, with kills some `pause_s` apart. Raises TidemarkError."""
    chance = random.Random(plan.seed)
    pauses = [chance.uniform(0.2, 2) * pause_s for _ in range(kills)]
    victims = [FLOWS[kill % len(FLOWS)] for kill in range(kills)]
    chance.shuffle(victims)
    started = time.monotonic()
    with Warehouse(settings.clickhouse, create=True) as warehouse:
        migrate(warehouse)
        warehouse.command(_KEEP_APART)
    writer = _Writer(settings, plan, sum(pauses) + pause_s)
    flows = {name: _start(name, settings, logs) for name in FLOWS}
    try:
        writer.start()
        for victim, pause in zip(victims, pauses, strict=True):
            time.sleep(pause)
            _kill(victim, flows)
            flows[victim] = _start(victim, settings, logs)
        expected = writer.expected()
        wait_until_read(settings, flows.values(), _SETTLES_WITHIN_S)
        codes = end(flows.values())
    finally:
        for flow in flows.values():
            flow.kill()
    return _report(settings, plan, expected, victims, codes, time.monotonic() - started)


def _start(name: str, settings: Settings, logs: Path) -> Flow:
    return Flow(["-m", f"flows.{name}"], variables(settings), logs / f"{name}.log")


def _kill(name: str, flows: dict[str, Flow]) -> None:
    if not flows[name].running():
        raise TidemarkError(f"flows.{name} ended by itself: {flows[name].said()[-1000:]}")
    flows[name].kill()


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


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        raise UsageError(message)


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(
        prog="python -m loadgen.kills", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("--messages", type=int, default=300_000, help="audience of the campaign (default: %(default)s)")
    add("--kills", type=int, default=20, help="how many (default: %(default)s)")
    add("--pause", type=float, default=4.0, help="seconds between them, on average (default: %(default)s)")
    add("--seed", type=int, default=1, help="another seed, another campaign and other moments (default: %(default)s)")
    add("--json", action="store_true", help="end with one JSON object")
    return parser


def main(arguments: list[str] | None = None) -> int:
    """The exit code: 0, 1 for figures that are off, 2 for wrong arguments."""
    try:
        options = _parser().parse_args(arguments)
        if options.kills < 0 or not 0 < options.pause < 3600:
            raise UsageError("--kills: from 0 on; --pause: more than 0 seconds, less than an hour")
        report = _run(options)
    except TidemarkError as error:
        print(f"loadgen.kills: {error}", file=sys.stderr)
        return error.exit_code
    print(msgspec.json.encode(report).decode() if options.json else _in_words(report))
    return 0 if report.exact else _INEXACT


def _run(options: argparse.Namespace) -> Report:
    plan = Plan(seed=options.seed, messages=options.messages, start_ms=default_start_ms(wall_clock()))
    with tempfile.TemporaryDirectory(prefix="tidemark-") as name:
        folder = Path(name)
        own = {"BROKER": f"file://{folder}/topics", "CLICKHOUSE": f"chdb://{folder}/clickhouse", "EPOCH": "1s"}
        own |= {"RECOVERY": f"{folder}/recovery", "CLOCK": str(plan.end_ms)}
        settings = Settings.from_env({PREFIX + key: text for key, text in own.items()} | os.environ)
        return run_kills(settings, plan, options.kills, options.pause, folder)


def _in_words(report: Report) -> str:
    verdict = "every figure is exact" if report.exact else "\n".join(["NOT exact:", *report.differences[:20]])
    return (
        f"{report.messages:,} messages, {report.events_in:,} events, killed {report.killed},"
        f" {report.rows_replayed:,} rows written again\n{verdict}"
    )


if __name__ == "__main__":
    sys.exit(main())
