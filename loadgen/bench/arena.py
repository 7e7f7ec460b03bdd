"""Runs of systems over the same input, each over tables and state of its own, and what they measured."""

import sys
from collections import defaultdict
from pathlib import Path

from msgspec import Struct

from loadgen.bench.contender import Contender, Measured, Watch, watch_nothing
from loadgen.bench.contest import Task
from loadgen.bench.inputs import Inputs
from loadgen.bench.lane_events import CAMPAIGN, STATUSES
from loadgen.bench.systems import OURS, System
from schemas.errors import TidemarkError
from sql.migrate import migrate
from sql.warehouse import Warehouse

_COUNTS = """
SELECT
    (SELECT count() FROM v_events WHERE campaign_id = {campaign:String}) AS events,
    (SELECT count() FROM v_messages WHERE campaign_id = {campaign:String}) AS messages
"""
_TOTALS = """
SELECT toString(status) AS status, groupBitmapMerge(messages) AS messages
FROM totals
WHERE campaign_id = {campaign:String}
GROUP BY status
"""


class Round(Struct, frozen=True):
    """One run of one system, checked."""

    measured: Measured
    events_per_record: int
    exact: bool


class Arena:
    """Runs one at a time; state and tables of a run stay until the last.

    For minutes ext4 passes over inodes of deleted files, one by one, whenever a file is made: the next run would pay.
    """

    def __init__(self, folder: Path, inputs: Inputs, within_s: float) -> None:
        self._folder = folder
        self._inputs = inputs
        self._within_s = within_s
        self._runs = 0
        self.rounds: dict[str, list[Round]] = defaultdict(list)
        self.floor: dict[str, list[Measured]] = defaultdict(list)
        self.failed: dict[str, str] = {}

    def run(self, system: System, events_per_record: int) -> None:
        """A peer that fails is named in `failed` and not run again. Raises TidemarkError for ours."""
        if system.name in self.failed:
            return
        try:
            self.rounds[system.name].append(self._run(system, events_per_record))
        except TidemarkError as error:
            if system is OURS:
                raise
            self.failed[system.name] = str(error)

    def run_watched(self, events_per_record: int, watch: Watch) -> Measured:
        """Tidemark once more, for whoever watches its process. Raises TidemarkError."""
        return self._run(OURS, events_per_record, watch).measured

    def run_floor(self, stage: str, events_per_record: int) -> None:
        """Raises TidemarkError."""
        task = self._task(events_per_record)
        contender = Contender([sys.executable, "-m", "loadgen.bench.floor", stage], task, {}, self._log(stage))
        self.floor[stage].append(contender.measure(self._within_s))

    def _run(self, system: System, events_per_record: int, watch: Watch = watch_nothing) -> Round:
        task = self._task(events_per_record)
        command = [system.python, "-m", system.module]
        contender = Contender(command, task, {"PEER_JARS": str(system.jars)}, self._log(system.name))
        measured = contender.measure(self._within_s, watch)
        exact = self._is_exact(task.clickhouse, measured.unique)
        return Round(measured, events_per_record, exact)

    def _task(self, events_per_record: int) -> Task:
        self._runs += 1
        self._inputs.forget()
        clickhouse = f"chdb://{self._place}/clickhouse"
        with Warehouse(clickhouse, create=True) as warehouse:
            migrate(warehouse)
        state = self._place / "state"
        state.mkdir()
        return Task(
            broker=self._inputs.broker,
            topics=self._inputs.topics[events_per_record],
            events=self._inputs.events,
            clickhouse=clickhouse,
            folder=str(state),
            name=f"bench-{self._runs}",
            clock=self._inputs.clock,
        )

    @property
    def _place(self) -> Path:
        return self._folder / f"run-{self._runs}"

    def _log(self, name: str) -> Path:
        return self._folder / f"{name}.log"

    def _is_exact(self, clickhouse: str, told: int | None) -> bool:
        """Every event once: in the tables, or as the system counted that inserts nothing."""
        if told is not None:
            return told == self._inputs.unique
        return holds_all(clickhouse, self._inputs)


def holds_all(clickhouse: str, inputs: Inputs) -> bool:
    """Whether the tables hold every event once, and nothing else."""
    with Warehouse(clickhouse) as warehouse:
        counts = warehouse.query(_COUNTS, {"campaign": CAMPAIGN}).row(0, named=True)
        totals = read_totals(warehouse, CAMPAIGN)
    due = {"events": inputs.unique, "messages": inputs.messages}
    return counts == due and totals == {status.value: inputs.messages for status in STATUSES}


def read_totals(warehouse: Warehouse, campaign: str) -> dict[str, int]:
    """Messages by status, as the rollup has them."""
    return dict(warehouse.query(_TOTALS, {"campaign": campaign}).iter_rows())
