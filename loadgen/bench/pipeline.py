"""How many status events a second, beside peers and beside the floor? `python -m loadgen.bench pipeline --json`.

Lane topics are written first. Then each system in turn, round by round, reads them from its start to the last row
queryable, over empty tables, and its figures are checked; so does each stage of the floor by itself: consume, decode,
insert. `--source kafka` starts an Apache Kafka of its own, or takes TIDEMARK_BROKER=kafka://…, whose topics must be
empty; peers read from Kafka only. `make peers` installs those that need an environment of their own.
"""

import argparse
import sys
import tempfile
from pathlib import Path
from typing import Annotated

import msgspec

from loadgen.bench.arena import Arena
from loadgen.bench.floor import STAGES
from loadgen.bench.inputs import broker_at, write_inputs
from loadgen.bench.profile import profile
from loadgen.bench.results import Report, in_words, report
from loadgen.bench.systems import OURS, SYSTEMS, System
from loadgen.command import INEXACT, parser
from schemas.errors import UsageError
from schemas.topics import MAX_LINES_PER_RECORD

_EventsPerRecord = Annotated[int, msgspec.Meta(ge=1, le=MAX_LINES_PER_RECORD)]


def _parser() -> argparse.ArgumentParser:
    told = parser("loadgen.bench pipeline", __doc__)
    add = told.add_argument
    add("--source", choices=("kafka", "file"), default="kafka", help="default: %(default)s")
    add("--events", type=int, default=2_000_000, help="about so many, one in 21 a repeat (default: %(default)s)")
    add("--rounds", type=int, default=3, help="default: %(default)s")
    add("--events-per-record", type=int, default=100, help="default: %(default)s")
    add("--only", metavar="NAME[:N],…", default="", help=f"of {', '.join(SYSTEMS)}; with :N it is given N events a"
        " record, whatever it does best with (default: all that are installed)")  # fmt: skip
    add("--within", type=float, default=600.0, help="seconds that a run may take (default: %(default)s)")
    add("--profile", metavar="FOLDER", nargs="?", const="data/profile", default="",
        help="also processor time by stage, and a flame graph in FOLDER (default: %(const)s)")  # fmt: skip
    add("--json", action="store_true", help="end with one JSON object")
    return told


def command(arguments: list[str]) -> int:
    """The exit code: 0, or 1 for figures that are off."""
    options = _parser().parse_args(arguments)
    if min(options.events, options.rounds, options.events_per_record) < 1 or not options.within > 0:
        raise UsageError("--events, --rounds, --events-per-record: from 1 on; --within: more than 0")
    done = run_pipeline(options)
    print(msgspec.json.encode(done).decode() if options.json else in_words(done))
    return 0 if all(system.exact for system in done.systems.values()) else INEXACT


def run_pipeline(options: argparse.Namespace) -> Report:
    """Raises TidemarkError."""
    chosen, left_out = choose(options.only, options.source)
    formats = {system.events_per_record or options.events_per_record for system in chosen}
    with tempfile.TemporaryDirectory(prefix="tidemark-") as folder, broker_at(options.source, Path(folder)) as broker:
        inputs = write_inputs(broker, options.events, options.events_per_record, formats)
        arena = Arena(Path(folder), inputs, options.within)
        for number in range(options.rounds):
            for system in chosen:
                _tell(f"round {number + 1} of {options.rounds}: {system.name}")
                arena.run(system, system.events_per_record or options.events_per_record)
            for stage in STAGES:
                arena.run_floor(stage, options.events_per_record)
        profiled = None
        if options.profile:
            _tell("profile")
            profiled = profile(arena, inputs.events, options.events_per_record, Path(options.profile))
    return report(options, inputs, arena, left_out, profiled)


def choose(only: str, source: str) -> tuple[list[System], dict[str, str]]:
    """The systems to run, and of those asked for, why others are left out. Raises UsageError."""
    systems = [_named(name) for name in only.split(",")] if only else list(SYSTEMS.values())
    left_out = {}
    for system in systems:
        if source == "file" and system.module != OURS.module:
            left_out[system.name] = "reads from Kafka only"
        elif not system.ready:
            left_out[system.name] = "not installed: make peers"
    return [system for system in systems if system.name not in left_out], left_out


def _named(asked: str) -> System:
    """NAME or NAME:N. Raises UsageError."""
    name, colon, number = asked.partition(":")
    if name not in SYSTEMS:
        raise UsageError(f"--only: {name!r} is none of {', '.join(SYSTEMS)}")
    if not colon:
        return SYSTEMS[name]
    try:
        return SYSTEMS[name].given(msgspec.convert(number, _EventsPerRecord, strict=False))
    except msgspec.ValidationError:
        why = f"{number!r} events a record is not from 1 to {MAX_LINES_PER_RECORD}"
        raise UsageError(f"--only {name}: {why}") from None


def _tell(line: str) -> None:
    if sys.stderr.isatty():
        print(line, file=sys.stderr, flush=True)
