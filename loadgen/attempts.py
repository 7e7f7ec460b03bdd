"""What became of each attempt to hand a message to its provider."""

import polars as pl

from loadgen.chance import Flags, Ids
from loadgen.scene import Scene
from schemas.times import MINUTE_MS, SECOND_MS

OUTCOMES = pl.Enum(["accepted", "rejected", "refused", "interrupted", "doubtful", "found", "lost"])
"""Accepted; refused for now, or for good; no outcome written; in doubt still, found to be sent, found to be lost."""

_TIMEOUT_MS = 10 * SECOND_MS
_DOUBTED = pl.col("outcome").is_in(["doubtful", "found", "lost"])
_OUTCOME_AT = pl.when(_DOUBTED).then("doubted_at").otherwise("answered_at")
_HANDED_AT = pl.when(pl.col("outcome").is_in(["accepted", "found"])).then("answered_at")


def attempts(scene: Scene, tries: pl.DataFrame) -> pl.DataFrame:
    """`tries` (messages of `audience` with `attempt` and `sent_at`) and what came of each.

    Adds `id` (its own in the campaign), `outcome`, `outcome_at`, `settled_at` (null without a doubt that ended),
    `handed_at` (when the provider had it; null: never), `rejection`. Times are UTC ms.
    """
    tries = tries.filter(pl.col("sent_at") <= scene.plan.end_ms)
    ids = attempt_ids(tries)
    settling_ms = scene.chance.wait_ms("settles", ids, 2 * MINUTE_MS, 10 * MINUTE_MS) / scene.plan.haste
    tried = tries.with_columns(
        id=ids,
        outcome=_outcomes(scene, ids, (tries["attempt"] > 1).to_numpy()),
        rejection=scene.word("rejection_codes", scene.chance.uniform("rejection", ids), tries["provider"]),
        answered_at=pl.col("sent_at") + 1 + pl.Series(scene.wait_ms("accepts", ids, tries["provider"])).cast(pl.Int64),
        doubted_at=pl.col("sent_at") + int(_TIMEOUT_MS / scene.plan.haste),
        settling_ms=pl.Series(settling_ms).cast(pl.Int64),
    )
    settled_at = _settled_at(scene.plan.end_ms)
    return tried.with_columns(outcome_at=_OUTCOME_AT, handed_at=_HANDED_AT, settled_at=settled_at).drop(
        "answered_at", "doubted_at", "settling_ms"
    )


def attempt_ids(tries: pl.DataFrame) -> Ids:
    """`key * 4 + attempt`."""
    return tries.select((pl.col("key") * 4 + pl.col("attempt")).cast(pl.UInt64)).to_series().to_numpy()


def _settled_at(end_ms: int) -> pl.Expr:
    """A doubt about a message that the provider has ends before the run does, so that its statuses can be matched."""
    settled_at = pl.col("doubted_at") + pl.col("settling_ms")
    found = pl.when(pl.col("outcome") == "found").then(pl.min_horizontal(settled_at, pl.lit(end_ms)))
    return found.when(pl.col("outcome") == "lost").then(settled_at)


def _outcomes(scene: Scene, ids: Ids, again: Flags) -> pl.Series:
    """A second attempt that is rejected is refused for good: there is no third."""
    campaign = scene.campaign
    doubts = [share * campaign.doubtful for share in (0.2, 0.5, 0.3)]
    shares = [campaign.rejected, campaign.refused, campaign.interrupted, *doubts]
    drawn = scene.chance.pick("outcome", ids, OUTCOMES.categories.to_list(), [1 - sum(shares), *shares])
    refused = pl.Series(again) & (drawn == "rejected")
    return drawn.set(refused, "refused").cast(OUTCOMES)
