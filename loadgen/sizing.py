"""What a rate of status events takes: `python -m loadgen.sizing` prints the table of docs/scaling.md.

From what was measured on one machine of two cores; docs/scaling.md says how. Cores are those of the flows together with
ClickHouse's inserts and merges; brokers and queries come on top.
"""

import math
import sys

from msgspec import Struct

from loadgen.command import parser
from sql.cli import run

RATES = (1_000, 10_000, 100_000, 300_000, 1_000_000)
"""Status events a second, sustained."""
BUSY = 0.6
"""Of a core, at most: the rest is for peaks and for catching up."""
STATUS_CPU_US = 3.0
"""An event from its lane's topic in Kafka to queryable rows, ClickHouse's part included: loadgen.bench pipeline."""
BOTH_HOPS_PER_S = 95_754
"""Events a second from raw bodies on two cores, the slowest of the README's runs: loadgen.demo --once."""
CORES = 2
ROW_BYTES = 29.0
"""On ClickHouse's disk, an event in status_events and all that is derived from it, merged."""
MESSAGE_BYTES = 105.0
"""On ClickHouse's disk, what senders said of a message: outbound, ids, splits."""
LINE_BYTES = 432.0
"""A status event in its topic, before compression."""
WINDOW_ID_BYTES = 19.8
"""Of memory, an id in the dedup window."""
WINDOW_S = 6 * 3600
DAY_S = 24 * 3600


class Size(Struct, frozen=True):
    """What one rate takes. A day's bytes are at that rate around the clock; a campaign takes its own hours' share."""

    rate: int
    route_processes: int
    status_processes: int
    cores: float
    partitions: int
    window_gib: float
    rows_gib_a_day: float
    lines_gib_a_day: float


def route_cpu_us() -> float:
    """What both hops take less what the second does."""
    return CORES * 1e6 / BOTH_HOPS_PER_S - STATUS_CPU_US


def size(rate: int) -> Size:
    route, status = (rate * cpu_us / 1e6 / BUSY for cpu_us in (route_cpu_us(), STATUS_CPU_US))
    processes = math.ceil(route), max(3, math.ceil(status))  # a lane is a process at least
    return Size(
        rate,
        *processes,
        cores=round((route + status), 2),
        partitions=max(4, 2 ** math.ceil(math.log2(max(processes)))),
        window_gib=round(rate * WINDOW_S * WINDOW_ID_BYTES / 2**30, 1),
        rows_gib_a_day=round(rate * DAY_S * ROW_BYTES / 2**30, 1),
        lines_gib_a_day=round(rate * DAY_S * LINE_BYTES / 2**30, 1),
    )


def table() -> str:
    rows = [
        "| Events/s | `flows.route` | `flows.status` | Cores | Partitions | Window, 6 h"
        " | ClickHouse a day | Topics a day |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for rate in RATES:
        row = size(rate)
        rows.append(
            f"| {row.rate:,} | {row.route_processes} | {row.status_processes} | {row.cores:,} | {row.partitions} |"
            f" {row.window_gib:,} GiB | {row.rows_gib_a_day:,} GiB | {row.lines_gib_a_day:,} GiB |"
        )
    return "\n".join(rows)


def main(argv: list[str] | None = None) -> None:
    parser("loadgen.sizing", __doc__).parse_args(argv)
    print(table())


if __name__ == "__main__":
    sys.exit(run("loadgen.sizing", main))
