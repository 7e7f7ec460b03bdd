"""One run: parts up, load on, faults by their schedule, and what the oracle finds when all has settled."""

import shutil
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from msgspec import Struct

from flows.sources import make_topics
from flows.topics import list_partitions, open_reader
from loadgen.bench.inputs import started_kafka
from loadgen.chaos.faults import FLOWS, Fault, schedule
from loadgen.chaos.inflict import Inflictor
from loadgen.chaos.load import Load
from loadgen.chaos.memory import Memory
from loadgen.chaos.parts import Parts
from loadgen.demo.compare import differences
from loadgen.kills import EVENTS_PER_MESSAGE
from loadgen.plan import Plan, default_start_ms
from loadgen.processes import behind, lag_by_topic
from schemas.errors import TidemarkError, WarehouseDown
from schemas.settings import Settings
from schemas.times import wall_clock
from schemas.topics import DLQ_STATUS, DLQ_WEBHOOK, TOPICS
from sql.migrate import migrate
from sql.warehouse import Warehouse

_TICK_S = 0.05
_STARTS_WITHIN_S = 120.0
_SETTLES_WITHIN_S = 300.0
_SESSION_MS = {"broker.session.timeout.ms": "3000", "broker.heartbeat.interval.ms": "500"}
"""A killed broker is let in again after so long, instead of nine seconds."""
_AT_WORK = "SELECT uniqExact(flow, lane) AS flows FROM flow_stats"


class Report(Struct, kw_only=True):
    """What `--json` prints. `exact`: no figure is off, every poisoned line is a dead letter, nothing is left to read.

    `memory_mb`: the greatest by process in each third of the run; `memory_flat`: none of ours grows from the second to
    the last by more than a quarter and 64 MB; null in runs of less than five minutes.
    """

    seed: int
    minutes: float
    events: int
    faults: int
    by_kind: dict[str, int]
    by_target: dict[str, int]
    inserts_cut: int
    answers_late: int
    lines_repeated: int
    lines_poisoned: int
    poison_lost: int
    writes_tried_again: int
    ended_by_itself: dict[str, int]
    exit_codes: list[int]
    lag: int
    memory_mb: dict[str, list[float]]
    memory_flat: bool | None
    tracebacks: list[str]
    differences: list[str]
    exact: bool
    seconds: float


class Course(NamedTuple):
    """What a run is made of."""

    seed: int
    minutes: float
    events_per_s: float
    gap_s: float


def run_chaos(course: Course, tell: Callable[[str], None], logs: Path | None = None) -> Report:
    """What the processes said is kept in `logs`. Raises TidemarkError for what keeps it from coming to an end."""
    seconds = course.minutes * 60
    messages = max(100, int(course.events_per_s * seconds / EVENTS_PER_MESSAGE))
    plan = Plan(seed=course.seed, messages=messages, start_ms=default_start_ms(wall_clock()))
    started = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="tidemark-") as folder, _parts(Path(folder), plan, logs) as parts:
        load = Load(parts.settings, plan, course.events_per_s)
        faults = schedule(course.seed, seconds, course.gap_s)
        memory = Memory(seconds)
        load.start()
        _play(parts, Inflictor(parts, load), faults, memory, tell)
        while load.is_alive():
            _look_after(parts, memory)
        expected = load.expected()
        _settle(parts, memory)
        codes = parts.end_flows()
        with Warehouse(parts.settings.clickhouse) as warehouse:
            wrong = differences(warehouse, expected)
        lag = behind(parts.settings)
        lost = _poison_lost(parts.settings, load.poisoned)
        return Report(
            seed=course.seed,
            minutes=course.minutes,
            events=expected.events_in,
            faults=len(faults),
            by_kind=dict(Counter(fault.kind.value for fault in faults)),
            by_target=dict(Counter(fault.target for fault in faults if fault.target)),
            inserts_cut=parts.proxy.cut,
            answers_late=parts.proxy.delayed,
            lines_repeated=load.repeated_lines,
            lines_poisoned=len(load.poisoned),
            poison_lost=len(lost),
            writes_tried_again=load.retries,
            ended_by_itself=dict(parts.ended_by_itself),
            exit_codes=codes,
            lag=lag,
            memory_mb=memory.thirds(),
            memory_flat=memory.flat(),
            tracebacks=parts.tracebacks(),
            differences=wrong,
            exact=not wrong and not lost and not lag,
            seconds=round(time.monotonic() - started, 1),
        )


@contextmanager
def _parts(folder: Path, plan: Plan, logs: Path | None) -> Iterator[Parts]:
    with started_kafka(folder, **_SESSION_MS) as broker:
        parts = Parts(folder, broker, plan.end_ms)
        try:
            make_topics(parts.settings, *TOPICS)
            parts.start("server")
            _migrate(parts.settings)
            for name in FLOWS:
                parts.start(name)
            _wait_until_at_work(parts.settings)
            yield parts
        finally:
            parts.close()
            if logs:
                logs.mkdir(parents=True, exist_ok=True)
                for log in (*folder.glob("*.log"), *folder.glob("kafka/*.log")):
                    shutil.copy(log, logs)


def _migrate(settings: Settings) -> None:
    deadline_s = time.monotonic() + _STARTS_WITHIN_S
    while True:
        try:
            with Warehouse(settings.clickhouse, create=True) as warehouse:
                migrate(warehouse)
                return
        except WarehouseDown:
            if time.monotonic() > deadline_s:
                raise
            time.sleep(_TICK_S)


def _wait_until_at_work(settings: Settings) -> None:
    """Until every flow has told of itself: faults while it starts come later, by killing it."""
    deadline_s = time.monotonic() + _STARTS_WITHIN_S
    with Warehouse(settings.clickhouse) as warehouse:
        while warehouse.query(_AT_WORK)["flows"][0] < len(FLOWS):
            if time.monotonic() > deadline_s:
                raise TidemarkError(f"the flows are not at work within {_STARTS_WITHIN_S:.0f} s")
            time.sleep(_TICK_S)


def _play(parts: Parts, inflictor: Inflictor, faults: list[Fault], memory: Memory, tell: Callable[[str], None]) -> None:
    """Each fault at its time, and undone at its; an undoing goes before a fault that is due as well."""
    started = time.monotonic()
    due: list[tuple[float, int, Callable[[], None]]] = []
    for number, fault in enumerate(faults):
        _undo_until(due, started + fault.at_s, parts, memory)
        tell(f"{fault.at_s:7.1f} s  {fault.kind} {fault.target}".rstrip())
        due.append((started + fault.at_s + fault.lasts_s, number, inflictor.inflict(fault)))
        due.sort(key=lambda entry: entry[:2])
    _undo_until(due, max((at for at, _, _ in due), default=0.0), parts, memory)


def _undo_until(due: list[tuple[float, int, Callable[[], None]]], until_s: float, parts: Parts, memory: Memory) -> None:
    while True:
        while due and due[0][0] <= min(until_s, time.monotonic()):
            due.pop(0)[2]()
        if time.monotonic() >= until_s:
            return
        _look_after(parts, memory)


def _look_after(parts: Parts, memory: Memory) -> None:
    parts.supervise()
    memory.sample(parts)
    time.sleep(_TICK_S)


def _settle(parts: Parts, memory: Memory) -> None:
    """Until all is read and snapshotted; what can't be asked at the moment is asked again."""
    deadline_s, left = time.monotonic() + _SETTLES_WITHIN_S, ""
    while time.monotonic() < deadline_s:
        try:
            lags = lag_by_topic(parts.settings)
            left = f"still to be read: {lags}"
            if not any(lags.values()):
                return
        except TidemarkError as error:
            left = str(error)
        for _ in range(10):
            _look_after(parts, memory)
    raise TidemarkError(f"not settled within {_SETTLES_WITHIN_S:.0f} s; {left}; {parts.tracebacks()[-1:]}")


def _poison_lost(settings: Settings, names: list[str]) -> list[str]:
    """Of the poisoned lines those that are no dead letter."""
    letters = b"\n".join(_lines(settings, topic) for topic in (DLQ_WEBHOOK, DLQ_STATUS))
    return [name for name in names if name.encode() not in letters]


def _lines(settings: Settings, topic: str) -> bytes:
    reader = open_reader(settings, topic, list_partitions(settings, topic), None, "chaos")
    try:
        found = []
        while any(reader.lag().values()):
            found += [record.value for record in reader.poll(1 << 24, 0.5)]
        return b"\n".join(found)
    finally:
        reader.close()
