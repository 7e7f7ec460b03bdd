"""How a system under measurement speaks with the bench: standard input and output, and a task in one argument.

    contender                      bench
    imports, connects, "ready" ─▶  takes its processor time so far
                               ◀─  "go"
    reads all of the input,
    its last row queryable:
    "done"                     ─▶  stops the clock; takes processor time and peak memory
    {"unique": …}              ─▶  how many it passed on, if that does not show in the tables
    ends                       ◀─  end of input

The standard library only: peers run in environments of their own.
"""

import json
import sys
from collections.abc import Callable
from typing import NamedTuple


class Task(NamedTuple):
    """One run of one system."""

    broker: str
    """`kafka://HOST:PORT` or `file://FOLDER`."""
    topics: list[str]
    events: int
    """That the topics hold, repeats among them: who has read so many is done."""
    clickhouse: str
    """`chdb://FOLDER`, its tables made; nobody else has it open."""
    folder: str
    """Empty, for state."""
    name: str
    """Never used before, for consumer groups."""
    clock: int
    """UTC ms at the end of the events."""

    @property
    def brokers(self) -> str:
        return self.broker.removeprefix("kafka://")


Count = Callable[[], int]
"""How many events a system passed on; asked when the clock stands."""

Run = Callable[[], Count | None]
"""Reads all; None where what it passed on went into the tables."""


def compete(prepare: Callable[[Task], Run]) -> None:
    """`prepare` does what a deployment has behind it once it runs: imports, connections. A system's own end is timed;
    ClickHouse ends when the process exits, untimed: a deployed one goes on."""
    run = prepare(Task(**json.loads(sys.argv[1])))
    _tell("ready")
    if sys.stdin.readline().strip() != "go":
        return
    count = run()
    _tell("done")
    _tell(json.dumps({"unique": count() if count else None}))
    sys.stdin.read()


def _tell(line: str) -> None:
    """On a line of its own: libraries print there as well."""
    print(f"\n{line}", flush=True)
