"""One process, two with a slice each, two workers, a cluster of two: `python -m loadgen.bench scale --json`.

The same lane topics into the same ClickHouse (`sql.serve`), each time over empty tables. Processes with disjoint slices
are clocked, with the cores that all of it kept busy: where those run out, more processes bring nothing. Bytewax's own
ways, two workers in a process and two processes of one cluster, are checked for exactness.
"""

import argparse
import os
import statistics
import sys
import tempfile
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import msgspec
from msgspec import Struct

from loadgen.bench.arena import holds_all
from loadgen.bench.contender import Contender, Measured, tree_usage, watch_nothing
from loadgen.bench.contest import Task
from loadgen.bench.inputs import Inputs, broker_at, write_inputs
from loadgen.bench.served import Served
from loadgen.command import INEXACT, parser
from loadgen.kafka_broker import free_port
from loadgen.processes import Flow, end, variables, wait_until_read
from schemas.errors import UsageError
from schemas.settings import Settings

_WITHIN_S = 600.0
_EVENTS_PER_RECORD = 100
PROCESSES = (1, 2)


class Shared(Struct, kw_only=True):
    """Some processes on disjoint slices; medians of the rounds. Cores: processor seconds a second."""

    events_per_s: float
    flow_us_per_event: float
    clickhouse_us_per_event: float
    cores_busy: float
    exact: bool


class Report(Struct, kw_only=True):
    """What `--json` prints. `limit` names what stands in the way of `speedup` reaching the number of processes."""

    source: str
    events: int
    rounds: int
    cores: int
    processes: dict[str, Shared]
    speedup: float
    limit: str
    exact_two_workers: bool
    exact_cluster: bool


def _parser() -> argparse.ArgumentParser:
    told = parser("loadgen.bench scale", __doc__)
    add = told.add_argument
    add("--source", choices=("file", "kafka"), default="file", help="default: %(default)s")
    add("--events", type=int, default=2_000_000, help="about so many (default: %(default)s)")
    add("--rounds", type=int, default=3, help="default: %(default)s")
    add("--json", action="store_true", help="end with one JSON object")
    return told


def command(arguments: list[str]) -> int:
    """The exit code: 0, or 1 for figures that are off."""
    options = _parser().parse_args(arguments)
    if min(options.events, options.rounds) < 1:
        raise UsageError("--events and --rounds: from 1 on")
    report = run_bench(options.source, options.events, options.rounds)
    print(msgspec.json.encode(report).decode() if options.json else _in_words(report))
    exact = [report.exact_two_workers, report.exact_cluster, *(one.exact for one in report.processes.values())]
    return 0 if all(exact) else INEXACT


def run_bench(source: str, events: int, rounds: int) -> Report:
    """Raises TidemarkError."""
    with tempfile.TemporaryDirectory(prefix="tidemark-") as name, broker_at(source, Path(name)) as broker:
        inputs = write_inputs(broker, events, _EVENTS_PER_RECORD, set())
        stage = _Stage(inputs, Path(name))
        runs = {count: [stage.sliced(count) for _ in range(rounds)] for count in PROCESSES}
        shared = {count: _shared(runs[count], inputs.events) for count in PROCESSES}
        address = f"127.0.0.1:{free_port()};127.0.0.1:{free_port()}"
        two_workers = stage.exact_as([["-w", "2"]])
        cluster = stage.exact_as([["-i", str(process), "-a", address] for process in range(2)])
    cores = len(os.sched_getaffinity(0))
    one, two = (shared[count] for count in PROCESSES)
    return Report(
        source=source,
        events=inputs.events,
        rounds=rounds,
        cores=cores,
        processes={str(count): found for count, found in shared.items()},
        speedup=round(two.events_per_s / one.events_per_s, 2),
        limit=limit(one, cores),
        exact_two_workers=two_workers,
        exact_cluster=cluster,
    )


def limit(one: Shared, cores: int) -> str:
    """What a second process runs into, from what one alone used."""
    total_us = one.flow_us_per_event + one.clickhouse_us_per_event
    at_most = round(cores * 1e6 / total_us)
    stage = "the flow" if one.flow_us_per_event > one.clickhouse_us_per_event else "ClickHouse"
    return (
        f"one process and ClickHouse keep {one.cores_busy:.1f} of {cores} cores busy; at {total_us:.1f} µs an event,"
        f" {stage}'s share the larger, {cores} cores do no more than {at_most:,} events/s"
    )


class _Run(Struct):
    measured: list[Measured]
    clickhouse_s: float
    seconds: float
    exact: bool


class _Stage:
    """The same input for each run; state and tables of their own."""

    def __init__(self, inputs: Inputs, folder: Path) -> None:
        self._inputs = inputs
        self._folder = folder
        self._runs = 0

    def _next(self) -> Path:
        self._runs += 1
        self._inputs.forget()
        place = self._folder / f"run-{self._runs}"
        place.mkdir()
        return place

    def sliced(self, count: int) -> _Run:
        """`count` processes from one moment on."""
        place = self._next()
        with Served(place / "server") as server, ThreadPoolExecutor(count) as pool:
            before_s = tree_usage(server.pid).cpu_s
            together = threading.Barrier(count)

            def watch(pid: int) -> Callable[[], None]:
                together.wait(_WITHIN_S)
                return watch_nothing(pid)

            contenders = [self._contender(place, server.dsn, index, count) for index in range(count)]
            running = [pool.submit(contender.measure, _WITHIN_S, watch) for contender in contenders]
            measured = [one.result() for one in running]
            seconds = max(one.seconds for one in measured)
            clickhouse_s = tree_usage(server.pid).cpu_s - before_s
            return _Run(measured, clickhouse_s, seconds, holds_all(server.dsn, self._inputs))

    def _contender(self, place: Path, clickhouse: str, index: int, count: int) -> Contender:
        task = Task(
            broker=self._inputs.broker,
            topics=[],
            events=self._inputs.events,
            clickhouse=clickhouse,
            folder=str(place),
            name="",
            clock=self._inputs.clock,
        )
        command = [sys.executable, "-m", "loadgen.bench.tidemark"]
        return Contender(command, task, {"TIDEMARK_SLICE": f"{index}/{count}"}, place / f"slice-{index}.log")

    def exact_as(self, shapes: list[list[str]]) -> bool:
        """A process for each of `shapes`, the arguments of `flows.status`."""
        place = self._next()
        with Served(place / "server") as server:
            settings = Settings(
                broker=self._inputs.broker,
                clickhouse=server.dsn,
                recovery=f"{place}/recovery",
                clock=self._inputs.clock,
            )
            told = variables(settings)
            flows = [
                Flow(["-m", "flows.status", *shape], told, place / f"{number}.log")
                for number, shape in enumerate(shapes)
            ]
            try:
                wait_until_read(settings, flows, _WITHIN_S)
                ended = end(flows)
            finally:
                for flow in flows:
                    flow.kill()
            return not any(ended) and holds_all(server.dsn, self._inputs)


def _shared(runs: list[_Run], events: int) -> Shared:
    flow_s = [sum(one.cpu_s for one in run.measured) for run in runs]
    busy = [(flow + run.clickhouse_s) / run.seconds for flow, run in zip(flow_s, runs, strict=True)]
    return Shared(
        events_per_s=round(events / statistics.median(run.seconds for run in runs), 1),
        flow_us_per_event=round(1e6 * statistics.median(flow_s) / events, 2),
        clickhouse_us_per_event=round(1e6 * statistics.median(run.clickhouse_s for run in runs) / events, 2),
        cores_busy=round(statistics.median(busy), 2),
        exact=all(run.exact for run in runs),
    )


def _in_words(report: Report) -> str:
    lines = [f"{report.events:,} events from {report.source}, medians of {report.rounds}, {report.cores} cores"]
    for count, one in report.processes.items():
        lines.append(
            f"{count} process(es): {one.events_per_s:,.0f} events/s, {one.flow_us_per_event} µs CPU an event,"
            f" ClickHouse {one.clickhouse_us_per_event} µs, {one.cores_busy} cores busy;"
            f" {'exact' if one.exact else 'NOT exact'}"
        )
    exact = {True: "exact", False: "NOT exact"}
    return "\n".join(
        [
            *lines,
            f"two processes are {report.speedup} times as fast as one: {report.limit}",
            f"-w 2: {exact[report.exact_two_workers]}; two processes of a cluster: {exact[report.exact_cluster]}",
        ]
    )
