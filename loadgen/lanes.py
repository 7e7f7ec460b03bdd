"""How long does a Delivered event take while Reads flood in? `python -m loadgen.lanes --read 2000000 --json`.

Read events are written first and wait. Then `flows.status` starts, and Delivered events are appended at a steady rate;
the time from each one's append to the first SELECT that returns its row is its latency. `--apart` gives Read a
process of its own. TIDEMARK_BROKER and TIDEMARK_CLICKHOUSE choose other parts; what they name must be empty.
"""

import argparse
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import msgspec
import numpy as np
import polars as pl
from msgspec import Struct
from numpy.typing import NDArray

from flows.topics import Producer, open_producer
from loadgen.command import parser, run, scratch
from loadgen.processes import Flow, end, variables, wait_until_served
from loadgen.sightings import Sightings
from schemas.errors import TidemarkError, UsageError
from schemas.settings import Settings
from schemas.statuses import Lane, Status
from schemas.times import MINUTE_MS, wall_clock
from schemas.topics import partition_column
from sql.migrate import migrate
from sql.warehouse import Warehouse

CAMPAIGN = "lanes"
_CHUNK = 100_000
_LINES_PER_RECORD = 500
_TICK_S = 0.02
_LOOK_EVERY_S = 0.025
_GIVES_UP_S = 120.0

_READ = "SELECT count() AS rows FROM status_events WHERE campaign_id = {campaign:String} AND status = 'read'"


class Report(Struct, kw_only=True):
    """What `--json` prints. Latencies are of the Delivered events appended while Reads waited."""

    read: int
    delivered: int
    processes: int
    rate_per_s: float
    measured: int
    p50_ms: float
    p99_ms: float
    max_ms: float
    p99_ms_of_all: float
    read_per_s: float


def status_lines(status: str, keys: NDArray[np.int64], at_ms: int, partitions: int) -> Iterator[tuple[int, bytes]]:
    """Partition and NDJSON lines of one status event for each key, of a believable size."""
    frame = pl.DataFrame({"message_key": keys}).select(
        campaign_id=pl.lit(CAMPAIGN),
        message_key="message_key",
        attempt=pl.lit(1),
        status=pl.lit(status),
        event_time=at_ms - pl.col("message_key") % MINUTE_MS,
        received_at=pl.lit(at_ms),
        sent_at=at_ms - MINUTE_MS - pl.col("message_key") % MINUTE_MS,
        provider=pl.lit("meta_whatsapp"),
        provider_message_id=pl.format("wamid.HBgLMzE2{}FQIAERgS{}", "message_key", "message_key"),
        recipient=pl.format("316{}", pl.col("message_key") + 10_000_000),
        receipt_id=pl.format("rcpt-{}", pl.col("message_key") // 5),
    )
    placed = frame.with_columns(place=partition_column(partitions))
    for (place,), part in placed.partition_by("place", as_dict=True, include_key=False).items():
        for record in part.iter_slices(_LINES_PER_RECORD):
            yield int(place), record.write_ndjson().encode()


def write_statuses(producer: Producer, lane: Lane, first: int, count: int, at_ms: int) -> None:
    """Events of a status named as its lane, for the keys from `first` on; durable when it returns."""
    partitions = producer.partitions(lane.topic)
    for start in range(first, first + count, _CHUNK):
        keys = np.arange(start, min(start + _CHUNK, first + count))
        for partition, lines in status_lines(lane.value, keys, at_ms, partitions):
            producer.append(lane.topic, partition, lines)
    producer.flush()


class _Trickle(threading.Thread):
    """Appends Delivered events at a steady rate; `appended_at[key]` is when it was durable, 0 before."""

    def __init__(self, settings: Settings, count: int, rate: float) -> None:
        super().__init__(name="trickle", daemon=True)
        self._settings = settings
        self._count = count
        self._rate = rate
        self.seconds = count / rate
        self.appended_at = np.zeros(count)

    def run(self) -> None:
        producer = open_producer(self._settings)
        started, done = time.monotonic(), 0
        try:
            while done < self._count:
                time.sleep(_TICK_S)
                due = min(self._count, int((time.monotonic() - started) * self._rate))
                write_statuses(producer, Lane.DELIVERED, done, due - done, self._settings.clock)
                self.appended_at[done:due] = time.monotonic()
                done = due
        finally:
            producer.close()


class _Watch:
    """Looks for rows: when each Delivered one was first returned, and how many Reads had landed when."""

    def __init__(self, warehouse: Warehouse, count: int) -> None:
        self._warehouse = warehouse
        self.delivered = Sightings(warehouse, CAMPAIGN, Status.DELIVERED, count)
        self.read: list[tuple[float, int]] = []

    def look_at_read(self) -> int:
        rows = int(self._warehouse.query(_READ, {"campaign": CAMPAIGN})["rows"][0])
        self.read.append((time.monotonic(), rows))
        return rows


def run_lanes(settings: Settings, read: int, rate: float, seconds: float, apart: bool, logs: Path) -> Report:
    """Measure over empty topics and tables. Raises TidemarkError."""
    with Warehouse(settings.clickhouse, create=True) as warehouse:
        migrate(warehouse)
    producer = open_producer(settings)
    try:
        write_statuses(producer, Lane.READ, 0, read, settings.clock)
    finally:
        producer.close()
    shares = [(Lane.DELIVERED, Lane.OTHER), (Lane.READ,)] if apart else [tuple(Lane)]
    flows = [_start(settings, lanes, logs) for lanes in shares]
    try:
        trickle, watch = _measure(settings, read, _Trickle(settings, int(rate * seconds), rate), flows)
        end(flows)
    finally:
        for flow in flows:
            flow.kill()
    return _report(read, rate, len(flows), trickle.appended_at, watch)


def _start(settings: Settings, lanes: tuple[Lane, ...], logs: Path) -> Flow:
    own = msgspec.structs.replace(settings, lanes=lanes)
    return Flow(["-m", "flows.status"], variables(own), logs / f"{'-'.join(lanes)}.log")


def _measure(settings: Settings, read: int, trickle: _Trickle, flows: list[Flow]) -> tuple[_Trickle, _Watch]:
    """From the first Read that landed until all Delivered and all Reads have."""
    deadline_s = time.monotonic() + _GIVES_UP_S + trickle.seconds
    wait_until_served(settings, flows, _GIVES_UP_S)
    with Warehouse(settings.clickhouse) as warehouse:
        watch = _Watch(warehouse, len(trickle.appended_at))
        _wait_until_reading(watch, flows, deadline_s)
        trickle.start()
        looked_at_read, landed = 0.0, 0
        while not watch.delivered.look() or landed < read:
            if time.monotonic() - looked_at_read > 20 * _LOOK_EVERY_S:
                looked_at_read, landed = time.monotonic(), watch.look_at_read()
            if time.monotonic() > deadline_s:
                raise TidemarkError(f"not done within {_GIVES_UP_S:.0f} s: {flows[0].said()[-500:]}")
            time.sleep(_LOOK_EVERY_S)
    return trickle, watch


def _wait_until_reading(watch: _Watch, flows: list[Flow], deadline_s: float) -> None:
    while not watch.look_at_read():
        if time.monotonic() > deadline_s or not all(flow.running() for flow in flows):
            raise TidemarkError(f"flows.status does not read: {flows[-1].said()[-500:]}")
        time.sleep(_LOOK_EVERY_S)


def _report(read: int, rate: float, processes: int, appended_at: NDArray[np.float64], watch: _Watch) -> Report:
    latency_ms = 1000 * (watch.delivered.seen_at - appended_at)
    flooded_until = max((at for at, landed in watch.read if landed < read), default=0.0)
    began, landed = watch.read[0]
    during = latency_ms[appended_at <= flooded_until]
    if not len(during):
        raise TidemarkError(f"{read} Reads had landed before the first Delivered event: take more")
    p50, p99 = np.quantile(during, [0.5, 0.99])
    return Report(
        read=read,
        delivered=len(latency_ms),
        processes=processes,
        rate_per_s=rate,
        measured=len(during),
        p50_ms=round(float(p50), 1),
        p99_ms=round(float(p99), 1),
        max_ms=round(float(during.max()), 1),
        p99_ms_of_all=round(float(np.quantile(latency_ms, 0.99)), 1),
        read_per_s=round((read - landed) / max(flooded_until - began, 1e-3), 1),
    )


def _parser() -> argparse.ArgumentParser:
    told = parser("loadgen.lanes", __doc__)
    add = told.add_argument
    add("--read", type=int, default=2_000_000, help="Read events that wait (default: %(default)s)")
    add("--rate", type=float, default=2_000, help="Delivered events per second (default: %(default)s)")
    add("--seconds", type=float, default=20, help="how long they come (default: %(default)s)")
    add("--apart", action="store_true", help="Read in a process of its own")
    add("--json", action="store_true", help="end with one JSON object")
    return told


def main(arguments: list[str] | None = None) -> int:
    """The exit code: 0, 1 for what broke, 2 for wrong arguments."""
    return run("loadgen.lanes", lambda: _command(_parser().parse_args(arguments)))


def _command(options: argparse.Namespace) -> None:
    if options.read < 1 or not options.rate * options.seconds >= 1:
        raise UsageError("--read, and --rate times --seconds: from 1 on")
    with scratch(wall_clock()) as (settings, folder):
        report = run_lanes(settings, options.read, options.rate, options.seconds, options.apart, folder)
    print(msgspec.json.encode(report).decode() if options.json else _in_words(report))


def _in_words(report: Report) -> str:
    return (
        f"{report.measured:,} Delivered events beside {report.read:,} Reads ({report.read_per_s:,.0f}/s,"
        f" {report.processes} processes): p50 {report.p50_ms} ms, p99 {report.p99_ms} ms, longest {report.max_ms} ms"
    )


if __name__ == "__main__":
    sys.exit(main())
