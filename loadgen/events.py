"""Write a believable campaign into topics: `python -m loadgen.events --messages 300000 --seed 1 --into webhook`.

Raw provider bodies for `flows.route` (`--into webhook`), or the status events that these amount to, straight into the
lanes; the sender's records into `outbound` either way. The same arguments give the same bytes. `--oracle FILE` keeps
the figures that must come of it (`loadgen.expected`). The flows that read it should go by the clock it prints.
"""

import argparse
import os
import sys
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import BinaryIO

import msgspec
from msgspec import Struct

from flows.topics import open_producer
from loadgen.command import parser, run
from loadgen.expected import Expected
from loadgen.plan import Plan, default_start_ms
from loadgen.spoiled import Into
from loadgen.writing import Run, write
from schemas.errors import UsageError
from schemas.settings import PREFIX, Settings
from schemas.times import wall_clock
from schemas.topics import MAX_LINES_PER_RECORD


class Written(Struct, frozen=True, kw_only=True):
    """What was written, in the words of `loadgen.expected`; `clock` is the run's end, for TIDEMARK_CLOCK."""

    messages: int
    seed: int
    into: Into
    start_ms: int
    clock: int
    events_in: int
    events_unique: int
    repeats: int
    dead_letters: int
    unmatched: int
    bodies: int
    outbound_records: int
    seconds: float
    events_per_s: float


def main(arguments: list[str] | None = None) -> int:
    """The exit code: 0, or that of the error which is told in one line."""
    return run("loadgen.events", lambda: _generate(_parser().parse_args(arguments)))


def _parser() -> argparse.ArgumentParser:
    told = parser("loadgen.events", __doc__)
    add = told.add_argument
    add("--messages", type=int, default=300_000, help="audience of the campaign (default: %(default)s)")
    add("--seed", type=int, default=1, help="another seed, another run (default: %(default)s)")
    add("--start", help="ISO time, UTC (default: 20:00 of the last day of last month)")
    add("--campaign", default="autumn-sale", help="its id (default: %(default)s)")
    add("--into", choices=["webhook", "lanes"], default="webhook", help="raw bodies or events (default: %(default)s)")
    add("--rate", type=float, default=0.0, help="status events per second (default: flat out)")
    add("--events-per-record", type=int, default=500, help="lines in a record at most (default: %(default)s)")
    add("--statuses-per-body", type=float, default=5.0, help="mean; half hold one (default: %(default)s)")
    add("--exact-bodies", action="store_true", help="each body holds --statuses-per-body")
    add("--oracle", type=Path, metavar="FILE", help="write the figures that must come of it as JSON")
    add("--json", action="store_true", help="end with one JSON object")
    return told


def _generate(options: argparse.Namespace) -> None:
    if not 1 <= options.events_per_record <= MAX_LINES_PER_RECORD:
        raise UsageError(f"--events-per-record: {options.events_per_record} is not from 1 to {MAX_LINES_PER_RECORD}")
    if not 0 <= options.rate < float("inf"):
        raise UsageError(f"--rate: {options.rate} is not a number from 0 on")
    plan = Plan(
        seed=options.seed,
        messages=options.messages,
        start_ms=_start_ms(options.start),
        campaign_id=options.campaign,
        statuses_per_body=options.statuses_per_body,
        exact_bodies=options.exact_bodies,
    )
    oracle = _open_oracle(options.oracle)
    producer = open_producer(Settings.from_env())
    try:
        campaign, started = Run(plan, options.into, producer.partitions), time.monotonic()
        write(campaign, producer, options.rate, options.events_per_record, _watch)
        written = _summary(plan, options.into, campaign.expected(), time.monotonic() - started)
    finally:
        producer.close()
    with oracle as file:
        file.write(msgspec.json.encode(campaign.expected()) + b"\n")
    _tell(written, as_json=options.json)


def _start_ms(text: str | None) -> int:
    if text is None:
        return default_start_ms(wall_clock())
    try:
        start = datetime.fromisoformat(text)
    except ValueError:
        raise UsageError(f"--start {text}: an ISO time is due, as 2026-10-31T20:00:00") from None
    return int((start if start.tzinfo else start.replace(tzinfo=UTC)).timestamp()) * 1000


def _summary(plan: Plan, into: Into, expected: Expected, seconds: float) -> Written:
    same = {name: getattr(expected, name) for name in Written.__struct_fields__ if hasattr(expected, name)}
    return Written(
        **same,
        messages=plan.messages,
        into=into,
        clock=plan.end_ms,
        seconds=round(seconds, 3),
        events_per_s=round(expected.events_in / seconds, 1),
    )


def _open_oracle(path: Path | None) -> BinaryIO:
    """Opened before anything is written, so that a wrong name costs nothing."""
    try:
        return open(path or os.devnull, "wb")
    except OSError as error:
        raise UsageError(f"--oracle {path}: {error.strerror}") from None


def _watch(events: int) -> None:
    """For who looks on; nothing in a pipe."""
    if sys.stderr.isatty():
        print(f"\r{events} status events", end="", file=sys.stderr, flush=True)


def _tell(written: Written, *, as_json: bool) -> None:
    if sys.stderr.isatty():
        print(file=sys.stderr)
    if as_json:
        print(msgspec.json.encode(written).decode())
        return
    print(
        f"{written.events_in} status events ({written.repeats} repeats, {written.dead_letters} to be refused)"
        f" in {written.bodies} bodies, {written.outbound_records} outbound records, {written.seconds:.1f} s;"
        f" read them with {PREFIX}CLOCK={written.clock}"
    )


if __name__ == "__main__":
    sys.exit(main())
