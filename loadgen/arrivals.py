"""A run as lines of topics, in the order of their arrival, cut into chunks."""

from collections.abc import Callable, Iterator
from itertools import pairwise
from typing import NamedTuple

import numpy as np
import polars as pl

from loadgen.bodies import envelopes
from loadgen.plan import Plan
from loadgen.run import Step
from loadgen.spoiled import NOT_UTF8, Into
from loadgen.wire import LINES, lane_lines, record_lines
from schemas.topics import OUTBOUND, WEBHOOK, partition_column

LINES_PER_RECORD = 500
RECORD_BYTES = 200_000
"""A record ends before it holds more, unless one line does."""

_BAD_BYTE = b"\xff"


class Lines(NamedTuple):
    """Whole NDJSON lines, each ending in a newline, for one partition."""

    topic: str
    partition: int
    lines: bytes


class Chunk(NamedTuple):
    """What arrives up to `at_ms` (UTC), with the number of statuses and spoiled lines in it."""

    at_ms: int
    events: int
    records: list[Lines]


class Typesetter:
    """Turns steps into lines: envelopes go to the partitions of `webhook` in turn, all others by their message."""

    def __init__(self, plan: Plan, into: Into, partitions: Callable[[str], int]) -> None:
        self._plan = plan
        self._into = into
        self._partitions = partitions
        self._posted = 0

    def lines(self, step: Step) -> pl.DataFrame:
        """`wire.LINES` of a step; steps must come in order."""
        parts = [self._said(step), self._records(step), self._spoiled(step)]
        if self._into == "webhook":
            parts.append(self._webhooks(step))
        else:
            parts.append(self._placed(lane_lines(self._plan, step.postings)))
        return pl.concat(parts).sort("arrives_at", maintain_order=True)

    def _webhooks(self, step: Step) -> pl.DataFrame:
        lines = envelopes(self._plan, step.postings)
        turns = np.arange(self._posted, self._posted + len(lines)) % self._partitions(WEBHOOK)
        self._posted += len(lines)
        return _columns(lines.with_columns(topic=pl.lit(WEBHOOK), partition=pl.Series(turns)))

    def _records(self, step: Step) -> pl.DataFrame:
        return self._placed(record_lines(self._plan, step.records))

    def _placed(self, lines: pl.DataFrame) -> pl.DataFrame:
        parts = [lines.clear().with_columns(partition=pl.lit(0))]
        for (topic,), part in lines.group_by("topic", maintain_order=True):
            parts.append(part.with_columns(partition=partition_column(self._partitions(str(topic)))))
        return _columns(pl.concat(parts, how="vertical_relaxed")).sort("arrives_at", maintain_order=True)

    def _said(self, step: Step) -> pl.DataFrame:
        return _columns(step.notes.with_columns(topic=pl.lit(OUTBOUND), partition=pl.lit(0), events=pl.lit(0)))

    def _spoiled(self, step: Step) -> pl.DataFrame:
        if not len(step.spoiled):
            return pl.DataFrame(schema=LINES)
        partitions = pl.Series([self._partitions(topic) for topic in step.spoiled["topic"]])
        return _columns(step.spoiled.with_columns(partition=pl.col("key") % partitions, events="dead"))


def _columns(lines: pl.DataFrame) -> pl.DataFrame:
    return lines.select(pl.col(name).cast(kind) for name, kind in LINES.items())


def chunks(
    lines: pl.DataFrame, slice_ms: int = 0, events_per_chunk: int = 0, lines_per_record: int = LINES_PER_RECORD
) -> Iterator[Chunk]:
    """`lines` in chunks of `slice_ms` of arrival time, of some `events_per_chunk` statuses, or in one."""
    if not len(lines):
        return
    counted = lines["events"].cum_sum()
    which = lines["arrives_at"] // slice_ms if slice_ms else (counted - 1).clip(0) // (events_per_chunk or 2**62)
    cuts = [0, *(np.flatnonzero(np.diff(which.to_numpy())) + 1).tolist(), len(lines)]
    for first, last in pairwise(cuts):
        part = lines[first:last]
        yield Chunk(int(part["arrives_at"][-1]), int(part["events"].sum()), list(_records(part, lines_per_record)))


def _records(lines: pl.DataFrame, lines_per_record: int) -> Iterator[Lines]:
    """Lines of one partition together, in their order, no more in a record than allowed."""
    place = (pl.int_range(pl.len()) // lines_per_record).over("topic", "partition")
    weight = (pl.col("line").str.len_bytes().cum_sum() // RECORD_BYTES).over("topic", "partition")
    grouped = lines.with_columns(place=place, weight=weight).group_by(
        "topic", "partition", "place", "weight", maintain_order=True
    )
    texts = grouped.agg(pl.col("line").str.join("\n")).select("topic", "partition", "line")
    for topic, partition, text in texts.iter_rows():
        yield Lines(topic, partition, text.encode().replace(NOT_UTF8.encode(), _BAD_BYTE) + b"\n")
