"""The figures that a run must come to, from what it was made of and not from what it looks like on the wire.

Shares only contracts with the pipeline: statuses, the cohort, latency cells.
"""

from collections import Counter, defaultdict

import polars as pl

from loadgen.expected import Expected, Passage
from loadgen.passages import Passages
from loadgen.plan import Plan
from loadgen.run import Step
from loadgen.spoiled import UNDATED_MS
from loadgen.tally import Tally

_KIND_OF_TIME = {time: kind for kind, time in UNDATED_MS.items()}


class Oracle:
    """Give it each step of a run, in order; then ask. Memory: the figures, and one in some hundred statuses."""

    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        self._tallies = {campaign.number: Tally(plan, campaign) for campaign in plan.campaigns if campaign.recorded > 0}
        self._passages = Passages(plan)
        self._dead: Counter[str] = Counter()
        self._unmatched = 0
        self._bodies = 0
        self._records = 0

    def add(self, step: Step) -> None:
        for block in step.blocks:
            if tally := self._tallies.get(block.scene.campaign.number):
                tally.add(block)
            else:
                self._unmatched += len(block.statuses)
        self._passages.add(step)
        self._records += len(step.records)
        if len(step.postings):
            self._bodies += step.postings.select("body", "repeat").n_unique()
            self._count_dead(step.postings.filter("dead")["event_time"].replace_strict(_KIND_OF_TIME))
        if len(step.spoiled):
            self._count_dead(step.spoiled.filter(pl.col("dead") == 1)["kind"])

    def _count_dead(self, kinds: pl.Series) -> None:
        self._dead.update(kinds.to_list())

    def expected(self) -> Expected:
        passages = self._passages.passages()
        dead = self._dead.total()
        return Expected(
            seed=self._plan.seed,
            start_ms=self._plan.start_ms,
            end_ms=self._plan.end_ms,
            events_in=sum(passage.events for passage in passages.values()) + dead,
            events_unique=sum(passage.unique for passage in passages.values()),
            repeats=sum(passage.repeats for passage in passages.values()),
            repeats_in_window=sum(passage.repeats_in_window for passage in passages.values()),
            must_pass=sum(passage.must_pass for passage in passages.values()),
            dead_letters=dead,
            dead_letters_by_kind=dict(sorted(self._dead.items())),
            unmatched=self._unmatched,
            bodies=self._bodies,
            outbound_records=self._records,
            passage=self._by_name(passages),
            campaigns={self._name(number): tally.figures() for number, tally in self._tallies.items()},
        )

    def _name(self, number: int) -> str:
        return self._plan.campaigns[number].id

    def _by_name(self, passages: dict[tuple[int, bool], Passage]) -> dict[str, dict[str, Passage]]:
        named: dict[str, dict[str, Passage]] = defaultdict(dict)
        for (number, own), passage in passages.items():
            named[self._name(number)]["own" if own else "foreign"] = passage
        return named
