"""What the sender writes about each message: the rows of the topic `outbound`."""

from collections.abc import Iterator

import numpy as np
import polars as pl

from loadgen.scene import Scene
from schemas.times import MINUTE_MS, SECOND_MS

TYPES = pl.Enum(["screened", "intent", "accepted", "rejected", "in_doubt", "settled"])
COLUMNS = (
    "id", "campaign", "type", "key", "attempt", "provider", "country", "template", "sender",
    "at", "written_at", "sent_at", "error_code", "final", "reason", "outcome", "again",
)  # fmt: skip
"""Of a record: `id` its own in the run, `written_at` when it gets into the topic, `again`: written a second time."""

_OF_A_MESSAGE = ("key", "provider", "country", "template", "sender", "recorded")
_NOTHING = pl.lit(None, pl.String)
_NEITHER = pl.lit(None, pl.Boolean)


def records(scene: Scene, messages: pl.DataFrame, tried: pl.DataFrame) -> pl.DataFrame:
    """Everything that is written about `messages` and what was `tried` before the run ends, in `COLUMNS`, in no order.

    A sender that numbers nothing writes only `accepted`: its other records could not be told apart.
    """
    parts = _all_records(messages, tried) if scene.campaign.keyed else [_accepted(tried)]
    rows = pl.concat(parts).filter("recorded", pl.col("at") <= scene.plan.end_ms)
    rows = _numbered(scene, rows).with_columns(again=pl.lit(False))
    rows = rows.with_columns(written_at=_written_at(scene, rows))
    return pl.concat([rows, _again(scene, rows)]).select(COLUMNS)


def _all_records(messages: pl.DataFrame, tried: pl.DataFrame) -> Iterator[pl.DataFrame]:
    screened = messages.filter(pl.col("screened").is_not_null())
    screened = screened.with_columns(attempt=pl.lit(1, pl.Int64), sent_at=pl.lit(None, pl.Int64))
    yield _part(screened, "screened", "planned_at", reason=pl.col("screened"))
    yield _part(tried, "intent", "sent_at")
    yield _accepted(tried)
    rejected = tried.filter(pl.col("outcome").is_in(["rejected", "refused"]))
    final = pl.col("outcome") == "refused"
    yield _part(rejected, "rejected", "outcome_at", error_code=pl.col("rejection"), final=final)
    yield _part(tried.filter(pl.col("outcome").is_in(["doubtful", "found", "lost"])), "in_doubt", "outcome_at")
    settled = tried.filter(pl.col("settled_at").is_not_null())
    outcome = pl.when(pl.col("outcome") == "found").then(pl.lit("sent")).otherwise(pl.lit("lost"))
    yield _part(settled, "settled", "settled_at", outcome=outcome)


def _accepted(tried: pl.DataFrame) -> pl.DataFrame:
    return _part(tried.filter(pl.col("outcome") == "accepted"), "accepted", "outcome_at")


def _part(
    rows: pl.DataFrame,
    kind: str,
    at: str,
    error_code: pl.Expr = _NOTHING,
    final: pl.Expr = _NEITHER,
    reason: pl.Expr = _NOTHING,
    outcome: pl.Expr = _NOTHING,
) -> pl.DataFrame:
    told = {"error_code": error_code, "final": final, "reason": reason, "outcome": outcome}
    return rows.select(*_OF_A_MESSAGE, "attempt", "sent_at", type=pl.lit(kind, TYPES), at=at, **told)


def _numbered(scene: Scene, rows: pl.DataFrame) -> pl.DataFrame:
    attempt = pl.col("key") * 4 + pl.col("attempt")
    number = (attempt * 16 + pl.col("type").to_physical().cast(pl.Int64)) * 8 + scene.campaign.number
    return rows.with_columns(id=number.cast(pl.UInt64), campaign=pl.lit(scene.campaign.number, pl.UInt8))


def _written_at(scene: Scene, rows: pl.DataFrame) -> pl.Expr:
    """A few acceptances are written late, so that statuses overtake them."""
    ids = rows["id"].to_numpy()
    late = scene.chance.happens("late record", ids, scene.campaign.late_records)
    late &= (rows["type"] == "accepted").to_numpy()
    waits = scene.chance.wait_ms("late by", ids, 5 * SECOND_MS, 2 * MINUTE_MS) / scene.plan.haste
    written_at = pl.col("at") + pl.Series(np.where(late, waits, 0)).cast(pl.Int64)
    return pl.min_horizontal(written_at, pl.lit(scene.plan.end_ms))


def _again(scene: Scene, rows: pl.DataFrame) -> pl.DataFrame:
    ids = rows["id"].to_numpy()
    waits = scene.chance.wait_ms("rewritten after", ids, 10 * SECOND_MS, 10 * MINUTE_MS) / scene.plan.haste
    again = rows.with_columns(again=pl.lit(True), written_at=pl.col("written_at") + pl.Series(waits).cast(pl.Int64) + 1)
    chosen = scene.chance.happens("rewritten", ids, scene.campaign.repeated_records)
    return again.filter(pl.Series(chosen), pl.col("written_at") <= scene.plan.end_ms)
