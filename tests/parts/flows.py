"""The flows as real processes over parts of their own, and what the campaign played into them must come to."""

import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import msgspec
import pytest

from flows.topics import list_partitions, open_producer, open_reader
from loadgen.demo.compare import differences
from loadgen.expected import Expected
from loadgen.plan import Plan
from loadgen.processes import Flow, behind, end, variables, wait_until_read
from loadgen.spoiled import Into
from loadgen.writing import Run, append
from schemas.errors import TidemarkError
from schemas.settings import Settings
from sql.migrate import migrate
from sql.warehouse import Warehouse

START_MS = 1_793_476_800_000
"""2026-10-31T20:00:00Z"""
PATIENCE_S = 150.0
_EVENTS_PER_CHUNK = 500
_EPOCH_MS = 300


def _nothing() -> None:
    """Midway."""


class Pipeline:
    """Empty topics and tables in `folder`, unless `changes` to the settings name others; the clock stands at the end
    of the campaign. All that it starts ends with it."""

    def __init__(self, folder: Path, *, messages: int = 6_000, seed: int = 1, **changes: Any) -> None:
        self.folder = folder
        self.plan = Plan(seed=seed, messages=messages, start_ms=START_MS)
        own = Settings(
            broker=f"file://{folder / 'topics'}",
            clickhouse=f"chdb://{folder / 'clickhouse'}",
            recovery=str(folder / "recovery"),
            epoch=_EPOCH_MS,
            clock=self.plan.end_ms,
        )
        self.settings = msgspec.structs.replace(own, **changes)
        self._flows: list[Flow] = []
        with Warehouse(self.settings.clickhouse, create=True) as warehouse:
            migrate(warehouse)

    def play(
        self,
        into: Into = "webhook",
        midway: Callable[[], None] = _nothing,
        pace_s: float = 0.0,
        plan: Plan | None = None,
    ) -> Expected:
        """Write the campaign (or that of `plan`), in some `pace_s`; what must come of it. At half of it, durable,
        `midway` is called."""
        producer = open_producer(self.settings)
        try:
            run = Run(plan or self.plan, into, producer.partitions)
            chunks = list(run.chunks(events_per_chunk=_EVENTS_PER_CHUNK))
            for number, chunk in enumerate(chunks):
                append(producer, chunk)
                if pace_s:
                    producer.flush()
                    time.sleep(pace_s / len(chunks))
                if number == len(chunks) // 2:
                    producer.flush()
                    midway()
            producer.flush()
            return run.expected()
        finally:
            producer.close()

    def append(self, topic: str, *lines: bytes, partition: int = 0) -> None:
        producer = open_producer(self.settings)
        try:
            producer.partitions(topic)
            producer.append(topic, partition, b"".join(line + b"\n" for line in lines))
            producer.flush()
        finally:
            producer.close()

    def start(self, name: str, *arguments: str, **changes: Any) -> Flow:
        """`python -m flows.NAME` with `arguments`; `changes` to the settings hold for it alone."""
        return self.run("-m", f"flows.{name}", *arguments, **changes)

    def run(self, *arguments: str, **changes: Any) -> Flow:
        """`python` with `arguments`; a change named as the variable is, in capitals, is handed over as it stands."""
        raw = {name: changes.pop(name) for name in list(changes) if name.isupper()}
        settings = msgspec.structs.replace(self.settings, **changes)
        flow = Flow(arguments, variables(settings) | raw, self.folder / f"{len(self._flows)}.log")
        self._flows.append(flow)
        return flow

    def settle(self, *flows: Flow) -> None:
        """Let `flows` read all there is; then they end in order."""
        wait_until_read(self.settings, flows, PATIENCE_S)
        codes = end(flows)
        assert codes == [0] * len(flows), [flow.said() for flow in flows]

    def lag(self) -> int:
        return behind(self.settings)

    def wrong(self, expected: Expected) -> list[str]:
        """One line for each figure that is off; the engine must be free, or served."""
        with self.warehouse() as warehouse:
            return differences(warehouse, expected)[:20]

    def warehouse(self) -> Warehouse:
        return Warehouse(self.settings.clickhouse)

    def number(self, sql: str) -> int:
        """The one number that a SELECT gives."""
        with self.warehouse() as warehouse:
            return int(warehouse.query(sql).item())

    def lines(self, topic: str) -> list[bytes]:
        """All that stands in a topic."""
        reader = open_reader(self.settings, topic, list_partitions(self.settings, topic), None, "test")
        try:
            records = []
            while reader.lag() and any(reader.lag().values()):
                records += reader.poll(1 << 24, 0.5)
            return [line for record in records for line in record.value.splitlines()]
        finally:
            reader.close()

    def close(self) -> None:
        for flow in self._flows:
            flow.kill()


def wait_for(flow: Flow, text: str) -> None:
    """Until the process has said `text`."""
    until(lambda: text in flow.said(), f"no {text!r}", flow)


def until(condition: Any, otherwise: str, *flows: Flow) -> None:
    deadline_s = time.monotonic() + PATIENCE_S
    while True:
        with suppress(TidemarkError):
            if condition():
                return
        assert time.monotonic() < deadline_s, [otherwise, *(flow.said() for flow in flows)]
        time.sleep(0.05)


@pytest.fixture
def pipeline(tmp_path: Path) -> Iterator[Pipeline]:
    """Embedded: file topics, chDB."""
    pipeline = Pipeline(tmp_path)
    yield pipeline
    pipeline.close()
