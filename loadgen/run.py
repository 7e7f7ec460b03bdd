"""A whole run in steps, in order of time and of bounded size: what happens, and what of it becomes known when.

audience -> attempts -> reports -> postings (webhooks)
               |
               +-> records (outbound)
"""

from collections.abc import Iterator
from typing import NamedTuple

import polars as pl

from loadgen.attempts import attempts
from loadgen.audience import audience, turn_ms
from loadgen.notes import notes
from loadgen.outbound import records
from loadgen.plan import Plan
from loadgen.pool import Pool
from loadgen.postings import Mailroom
from loadgen.reports import reports
from loadgen.scene import Scene
from loadgen.spoiled import Into, spoiled_keys, spoiled_lines, undated
from schemas.times import MINUTE_MS, SECOND_MS

_STEP = 40_000
"""Messages in a step."""


class Block(NamedTuple):
    """Everything that will ever happen to some messages of one campaign: the truth that the oracle goes by."""

    scene: Scene
    statuses: pl.DataFrame
    """Each status told before the run ends, once for each of its event times and codes; `journey.COLUMNS`."""
    records: pl.DataFrame
    """`outbound.COLUMNS`."""


class Step(NamedTuple):
    """What becomes known up to a moment, each in the order of its arrival."""

    before_ms: int
    blocks: list[Block]
    postings: pl.DataFrame
    """A row for each status of each posting: `journey.COLUMNS` and those of a posting (`Mailroom`)."""
    records: pl.DataFrame
    notes: pl.DataFrame
    """The sender's lines about whole campaigns: `arrives_at`, `line`."""
    spoiled: pl.DataFrame
    """`spoiled_lines`."""


def steps(plan: Plan, into: Into, count: int | None = None) -> Iterator[Step]:
    """The run in `count` steps (by default as many as keep each small): into how many changes nothing but the cuts."""
    scenes = [Scene(plan, campaign) for campaign in plan.campaigns]
    total = count or -(-plan.messages // _STEP)
    ready, written, spoilt = (
        Pool("ready_at", "id"),
        Pool("written_at", "id", "again"),
        Pool("arrives_at", "key", "kind"),
    )
    mailroom = Mailroom(plan)
    noted_ms = 0
    for number in range(total):
        blocks = [_block(scene, into, *_keys(scene, number, total)) for scene in scenes]
        for block in blocks:
            ready.add(block.statuses)
            written.add(block.records)
        spoilt.add(spoiled_lines(plan, into, spoiled_keys(plan, into, *_keys(scenes[0], number, total))))
        last = number + 1 == total
        before_ms = plan.end_ms + 1 if last else _next_turn_ms(scenes, number + 1, total)
        postings = mailroom.post(ready.due(before_ms), before_ms, last)
        said = notes(plan, noted_ms, before_ms)
        noted_ms = before_ms
        yield Step(before_ms, blocks, postings, written.due(before_ms), said, spoilt.due(before_ms))


def _keys(scene: Scene, number: int, total: int) -> tuple[int, int]:
    messages = scene.campaign.messages
    return messages * number // total, messages * (number + 1) // total


def _next_turn_ms(scenes: list[Scene], number: int, total: int) -> int:
    """Nothing of the steps from `number` on is known before."""
    return min(turn_ms(scene.plan, scene.campaign, _keys(scene, number, total)[0]) for scene in scenes)


def _block(scene: Scene, into: Into, first: int, last: int) -> Block:
    messages = audience(scene, first, last)
    unscreened = messages.filter(pl.col("screened").is_null())
    once = attempts(scene, unscreened.with_columns(attempt=pl.lit(1, pl.Int64), sent_at="planned_at"))
    told = reports(scene, once)
    twice = attempts(scene, _retries(scene, once, told))
    told_again = reports(scene, twice)
    doomed = undated(scene, into, messages)
    statuses = pl.concat([rows for rows in (told, told_again, doomed) if len(rows.columns)])
    return Block(scene, statuses, records(scene, messages, pl.concat([once, twice])))


def _retries(scene: Scene, once: pl.DataFrame, told: pl.DataFrame) -> pl.DataFrame:
    """First attempts tried again: refused for now, lost, or failed as far as the sender has heard."""
    heard = told.filter(pl.col("status") == "failed").group_by("key").agg(heard_at=pl.col("ready_at").min())
    known = once.join(heard, on="key", how="left", maintain_order="left")
    ids = known["id"].to_numpy()
    backoff_ms = scene.chance.wait_ms("backs off", ids, MINUTE_MS, 10 * MINUTE_MS) / scene.plan.haste
    persists = pl.Series(scene.chance.happens("retried", ids, scene.campaign.retried))
    known_at = (
        pl.when(pl.col("outcome") == "rejected").then("outcome_at")
        .when(pl.col("outcome") == "lost").then("settled_at")
        .when(persists).then("heard_at")
    )  # fmt: skip
    again_at = known_at + pl.Series(backoff_ms).cast(pl.Int64) + SECOND_MS
    tries = known.with_columns(attempt=pl.lit(2, pl.Int64), sent_at=again_at)
    columns = [name for name in tries.columns if name not in _OF_THE_FIRST]
    return tries.filter(pl.col("sent_at").is_not_null()).select(columns)


_OF_THE_FIRST = ("id", "outcome", "rejection", "outcome_at", "handed_at", "settled_at", "heard_at")
