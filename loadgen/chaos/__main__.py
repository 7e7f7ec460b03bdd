"""Break everything, and see whether one figure is off: `python -m loadgen.chaos --minutes 20 --seed 1 --json`.

A Kafka broker, ClickHouse behind HTTP (`sql.serve`), `flows.route` and a process for each lane run under load. At
random, but by the seed: kill -9, SIGSTOP, connections cut in the middle of an insert, inserts answered after the client
gave up, broker restarts, full disks, clock jumps, storms of repeats, lines that nobody can use, more partitions. At the
end every figure is compared with what the generator knows. The same seed plays the same campaign and the same faults.
"""

import argparse
import sys
from pathlib import Path

import msgspec

from loadgen.chaos.run import Course, Report, run_chaos
from loadgen.command import INEXACT, parser, run
from schemas.errors import UsageError


def _parser() -> argparse.ArgumentParser:
    told = parser("loadgen.chaos", __doc__)
    add = told.add_argument
    add("--minutes", type=float, default=5, help="how long the load lasts (default: %(default)s)")
    add("--seed", type=int, default=1, help="another seed, other faults and another campaign (default: %(default)s)")
    add("--rate", type=float, default=500, help="status events per second (default: %(default)s)")
    add("--gap", type=float, default=12, help="seconds from fault to fault (default: %(default)s)")
    add("--logs", type=Path, help="a folder to keep in what each process said")
    add("--json", action="store_true", help="end with one JSON object")
    return told


def main(arguments: list[str] | None = None) -> int:
    """The exit code: 0, 1 for figures that are off, 2 for wrong arguments."""
    return run("loadgen.chaos", lambda: _command(_parser().parse_args(arguments)))


def _command(options: argparse.Namespace) -> int:
    if not (0 < options.minutes <= 24 * 60 and 1 <= options.rate <= 100_000 and 0.1 <= options.gap <= 3600):
        raise UsageError("--minutes: up to a day; --rate: 1 to 100000; --gap: 0.1 to 3600 seconds")
    report = run_chaos(Course(options.seed, options.minutes, options.rate, options.gap), _tell, options.logs)
    print(msgspec.json.encode(report).decode() if options.json else _in_words(report))
    return 0 if report.exact else INEXACT


def _tell(line: str) -> None:
    if sys.stderr.isatty():
        print(line, file=sys.stderr, flush=True)


def _in_words(report: Report) -> str:
    verdict = "every figure is exact" if report.exact else "\n".join(["NOT exact:", *report.differences[:20]])
    return (
        f"{report.events:,} events, {report.faults} faults {report.by_kind}, {report.lines_repeated:,} lines repeated,"
        f" {report.lines_poisoned} poisoned ({report.poison_lost} lost), lag {report.lag}; seed"
        f" {report.seed}\n{verdict}"
    )


if __name__ == "__main__":
    sys.exit(main())
