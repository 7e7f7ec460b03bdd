"""One campaign's figures, added up block by block: all that concerns a message lies in one block."""

from collections import Counter, defaultdict

import numpy as np
import polars as pl
from numpy.typing import NDArray

from loadgen.expected import Cells, Figures
from loadgen.plan import Campaign, Plan
from loadgen.run import Block
from schemas.latency import LATENCY_BOUNDS_MS
from schemas.statuses import SENT_COHORT, STATUS_NUMBERS, Status
from schemas.times import MINUTE_MS

_DIMENSIONS = ("template", "country", "sender", "channel")
_EVENT = ("key", "attempt", "status", "error_code", "event_time", "told_sent_at")
_BOUNDS = np.array(LATENCY_BOUNDS_MS, dtype=np.int64)
_ARRIVED = (Status.DELIVERED, Status.READ, Status.CLICKED)


def _reached(*statuses: Status) -> pl.Expr:
    return pl.col("mask") & sum(1 << STATUS_NUMBERS[status.value] for status in statuses) != 0


_SENT = _reached(*SENT_COHORT)
_COUNTS = {
    "sent": _SENT,
    "delivered": _reached(Status.DELIVERED),
    "delivered_inferred": _reached(Status.READ, Status.CLICKED) & ~_reached(Status.DELIVERED),
    "read": _reached(Status.READ),
    "clicked": _reached(Status.CLICKED),
    "failed": _reached(Status.FAILED) & ~_reached(*_ARRIVED),
    "failed_ever": _reached(Status.FAILED),
    "rejected": _reached(Status.REJECTED) & ~_SENT,
    "rejected_ever": _reached(Status.REJECTED),
    **{
        status.value: _reached(status)
        for status in Status
        if status not in (*_ARRIVED, Status.SENT, Status.FAILED, Status.REJECTED)
    },
}


class Tally:
    """Counts as `Figures` defines them."""

    def __init__(self, plan: Plan, campaign: Campaign) -> None:
        self._campaign = campaign
        self._channels = {provider.name: provider.channel for provider in plan.mix}
        self._counts: Counter[str] = Counter()
        self._timeline: Counter[tuple[str, int]] = Counter()
        self._latency: Counter[tuple[str, int]] = Counter()
        self._failures: Counter[str] = Counter()
        self._splits: dict[str, dict[str, Counter[str]]] = {name: defaultdict(Counter) for name in _DIMENSIONS}
        self._accounted: Counter[str] = Counter()

    def add(self, block: Block) -> None:
        events = _events(block)
        firsts = events.group_by("key", "status").agg(
            first_time=pl.col("event_time").min(),
            latency=(pl.col("event_time") - pl.col("told_sent_at")).min().clip(0),
        )
        masks = firsts.group_by("key").agg(mask=_bit().sum())
        self._counts.update(_counted(masks))
        self._timeline.update(_cells(firsts, pl.col("first_time") // MINUTE_MS * MINUTE_MS))
        known = firsts.filter(pl.col("latency").is_not_null())
        self._latency.update(_cells(known, pl.Series(_latency_cells(known["latency"].to_numpy()))))
        self._failures.update(_by_reason(events))
        self._split(block.records, masks)
        self._accounted.update(_accounted(block.records, masks))

    def figures(self) -> Figures:
        queued = self._campaign.messages - self._accounted.total()
        return Figures(
            audience=self._campaign.messages,
            counts={name: self._counts[name] for name in _COUNTS},
            timeline=_sorted(self._timeline),
            latency=_sorted(self._latency),
            failures=dict(sorted(self._failures.items())),
            splits={name: {value: dict(split) for value, split in of.items()} for name, of in self._splits.items()},
            accounting={**self._accounted, "queued": queued},
        )

    def _split(self, records: pl.DataFrame, masks: pl.DataFrame) -> None:
        channel = pl.col("provider").cast(pl.String).replace_strict(self._channels, return_dtype=pl.String)
        known = records.with_columns(channel=channel).unique("key").select("key", *_DIMENSIONS)
        reached = masks.join(known, on="key", how="left")
        for name in _DIMENSIONS:
            of_value = reached.group_by(pl.col(name).cast(pl.String).fill_null("unknown")).agg(*_sums())
            for row in of_value.iter_rows(named=True):
                self._splits[name][row.pop(name)].update(row)


def _events(block: Block) -> pl.DataFrame:
    """Every status of the block's messages, those that outbound records amount to included."""
    told_sent_at = pl.when(pl.col("tells_sent_at") | ~pl.col("echoes")).then("sent_at")
    reported = block.statuses.filter(~pl.col("dead")).with_columns(told_sent_at=told_sent_at)
    outcomes = block.records.filter(pl.col("type").is_in(["accepted", "rejected"]), ~pl.col("again"))
    outcomes = outcomes.with_columns(status="type", event_time="at", told_sent_at="sent_at")
    return pl.concat(
        [rows.with_columns(pl.col("status").cast(pl.String)).select(_EVENT) for rows in (reported, outcomes)]
    )


def _bit() -> pl.Expr:
    bits = {name: 1 << number for name, number in STATUS_NUMBERS.items()}
    return pl.col("status").replace_strict(bits, return_dtype=pl.Int64)


def _sums() -> list[pl.Expr]:
    return [holds.sum().cast(pl.Int64).alias(name) for name, holds in _COUNTS.items()]


def _counted(masks: pl.DataFrame) -> dict[str, int]:
    return masks.select(_sums()).row(0, named=True)


def _cells(firsts: pl.DataFrame, cell: pl.Expr | pl.Series) -> dict[tuple[str, int], int]:
    counted = firsts.group_by("status", cell.alias("cell")).len()
    return {(status, lowest): messages for status, lowest, messages in counted.iter_rows()}


def _latency_cells(latencies: NDArray[np.int64]) -> NDArray[np.int64]:
    """For each the greatest bound that is not above it."""
    return _BOUNDS[np.searchsorted(_BOUNDS, latencies, side="right") - 1]


def _by_reason(events: pl.DataFrame) -> dict[str, int]:
    failed = events.filter(pl.col("status") == "failed").select("key", pl.col("error_code").fill_null(""))
    return dict(failed.unique().group_by("error_code").len().iter_rows())


def _accounted(records: pl.DataFrame, masks: pl.DataFrame) -> dict[str, int]:
    """Messages by where they are, those not yet begun left out."""
    attempts = records.group_by("key", "attempt").agg(
        doubtful=_has("in_doubt") & ~_has("accepted", "rejected", "settled"),
        flying=_has("intent") & ~_has("accepted", "rejected", "in_doubt", "settled"),
        found=(pl.col("outcome") == "sent").any(),
        refused=pl.col("final").any(),
        reason=pl.col("reason").drop_nulls().first(),
    )
    flags = pl.col("doubtful", "flying", "found", "refused").any()
    messages = attempts.group_by("key").agg(flags, pl.col("reason").drop_nulls().first())
    everyone = messages.join(masks, on="key", how="full", coalesce=True)
    place = (
        pl.when(_SENT | pl.col("found")).then(pl.lit("handed_over"))
        .when("doubtful").then(pl.lit("in_doubt"))
        .when("flying").then(pl.lit("in_flight"))
        .when(pl.col("reason").is_not_null()).then(pl.lit("screened_") + pl.col("reason"))
        .when("refused").then(pl.lit("rejected"))
    )  # fmt: skip
    return dict(everyone.select(place=place).drop_nulls().group_by("place").len().iter_rows())


def _has(*types: str) -> pl.Expr:
    return pl.col("type").is_in(list(types)).any()


def _sorted(cells: Counter[tuple[str, int]]) -> Cells:
    by_status: Cells = {}
    for (status, lowest), messages in sorted(cells.items()):
        by_status.setdefault(status, {})[lowest] = messages
    return by_status
