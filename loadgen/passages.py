"""Status events counted as they pass: how many, how many of them repeats, how many repeats must get through."""

from collections import Counter, defaultdict

import polars as pl

from loadgen.expected import Passage
from loadgen.plan import WINDOW_MS, Plan
from loadgen.run import Block, Step

_IDENTITY = ("campaign", "echoes", "key", "attempt", "status", "error_code", "raw_status")
_GROUP = ("campaign", "echoes")


class Passages:
    """Counts as `Passage` defines them, by campaign number and whether events carry our ids.

    Only what is told with two event times (`twin`) has to be looked at in order of arrival: all other repeats say the
    same time as the first.
    """

    def __init__(self, plan: Plan) -> None:
        self._since_ms = plan.end_ms - WINDOW_MS
        self._keyed = {campaign.number: campaign.keyed for campaign in plan.campaigns}
        self._counted: dict[tuple[int, bool], Counter[str]] = defaultdict(Counter)
        self._twins: list[pl.DataFrame] = []

    def add(self, step: Step) -> None:
        for block in step.blocks:
            self._add_block(block)
        if not len(step.postings):
            return
        posted = step.postings.filter(~pl.col("dead"))
        self._count(posted, "events", "events_in_window", "event_time")
        self._twins.append(posted.filter("twin").select(*_IDENTITY, "event_time"))

    def _add_block(self, block: Block) -> None:
        told = block.statuses.filter(~pl.col("dead"), ~pl.col("twin")).unique(_IDENTITY)
        self._count(told, "unique", "unique_in_window", "event_time")
        outcomes = block.records.filter(pl.col("type").is_in(["accepted", "rejected"]))
        outcomes = outcomes.with_columns(echoes=pl.lit(self._keyed[block.scene.campaign.number]))
        self._count(outcomes, "events", "events_in_window", "at")
        self._count(outcomes.filter(~pl.col("again")), "unique", "unique_in_window", "at")

    def _count(self, rows: pl.DataFrame, name: str, name_in_window: str, time: str) -> None:
        counted = rows.group_by(_GROUP).agg(pl.len(), recent=(pl.col(time) >= self._since_ms).sum())
        for campaign, echoes, events, recent in counted.iter_rows():
            self._counted[campaign, echoes].update({name: events, name_in_window: recent})

    def passages(self) -> dict[tuple[int, bool], Passage]:
        """By (campaign number, carries our ids)."""
        counted = {group: Counter(counts) for group, counts in self._counted.items()}
        for row in self._twins_counted().iter_rows(named=True):
            counted[row.pop("campaign"), row.pop("echoes")].update(row)
        return {group: _passage(counts) for group, counts in sorted(counted.items())}

    def _twins_counted(self) -> pl.DataFrame:
        if not self._twins:
            return pl.DataFrame()
        time = pl.col("event_time")
        rows = pl.concat(self._twins).with_columns(
            first=pl.struct(_IDENTITY).is_first_distinct(),
            earliest_before=time.cum_min().shift(1).over(_IDENTITY),
            recent=time >= self._since_ms,
        )
        return rows.group_by(_GROUP).agg(
            unique=pl.col("first").sum().cast(pl.Int64),
            unique_in_window=(pl.col("first") & pl.col("recent")).sum().cast(pl.Int64),
            must_pass=(pl.col("recent") & (time < pl.col("earliest_before"))).sum().cast(pl.Int64),
        )


def _passage(counts: Counter[str]) -> Passage:
    return Passage(
        events=counts["events"],
        unique=counts["unique"],
        repeats=counts["events"] - counts["unique"],
        repeats_in_window=counts["events_in_window"] - counts["unique_in_window"],
        must_pass=counts["must_pass"],
    )
