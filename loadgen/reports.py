"""How a provider tells of what happened: with its clock, after a while, and now and then once more and differently."""

import numpy as np
import polars as pl

from loadgen.chance import Floats, Ids
from loadgen.journey import RECODED, RETIMED, Journey
from loadgen.plan import PILOT_LEAD_MS
from loadgen.scene import Scene
from schemas.times import HOUR_MS, MINUTE_MS, SECOND_MS


def reports(scene: Scene, tried: pl.DataFrame) -> pl.DataFrame:
    """Every status that is told of the attempts `tried` before the run ends, in `journey.COLUMNS`, in no order.

    Holds what a provider tells anew (a status with another event time, a failure with another code): repeats of whole
    bodies come later. Event times are UTC ms, whole seconds where the provider has no others.
    """
    reached = Journey(scene, tried).statuses()
    told = reached.with_columns(ready_at=_ready_at(scene, reached), event_time=_by_its_clock(scene))
    retimed = _retimed(scene, told)
    everything = pl.concat([told, retimed, _recoded(scene, told)])
    return _mark_twins(everything, retimed).filter(pl.col("ready_at") <= scene.plan.end_ms)


def _ready_at(scene: Scene, reached: pl.DataFrame) -> pl.Expr:
    """Some are held up for long; those of the pilot until the campaign has begun."""
    ids = reached["id"].to_numpy()
    waits = scene.wait_ms("reports", ids, reached["provider"])
    delayed = scene.chance.happens("delays", ids, scene.plan.delayed)
    waits += delayed * scene.chance.uniform("delay", ids) * (2 * HOUR_MS / scene.plan.haste)
    piloted = pl.when(pl.col("sent_at") < scene.plan.start_ms).then(PILOT_LEAD_MS).otherwise(0)
    return pl.col("event_time") + pl.Series(waits).cast(pl.Int64) + 1 + piloted


def _by_its_clock(scene: Scene) -> pl.Expr:
    whole = [provider.name for provider in scene.plan.mix if provider.whole_seconds]
    to_the_second = pl.col("event_time") // SECOND_MS * SECOND_MS
    return pl.when(pl.col("provider").is_in(whole)).then(to_the_second).otherwise("event_time")


def _retimed(scene: Scene, told: pl.DataFrame) -> pl.DataFrame:
    """Told again with another event time, up to a minute and a half off, half of them earlier.

    Not where `sent_at` is withheld: the month that such a row is kept in goes by its event time, so a repeat at a
    month's end with another would be another row.
    """
    rows = told.filter(pl.Series(scene.chance.happens("retimed", told["id"].to_numpy(), scene.plan.retimed)))
    rows = rows.filter(pl.col("tells_sent_at") | ~pl.col("echoes"))
    ids = rows["id"].to_numpy()
    seconds = 1 + (scene.chance.uniform("retimed by", ids) * 89).astype(np.int64)
    signs = np.where(scene.chance.happens("retimed back", ids, 0.5), -1, 1)
    event_time = pl.col("event_time") + pl.Series(signs * seconds * SECOND_MS)
    return _again(scene, rows, RETIMED).with_columns(event_time=event_time).with_columns(_not_before_it_happened())


def _recoded(scene: Scene, told: pl.DataFrame) -> pl.DataFrame:
    """Failures told again with another reason: half a list further on is never the same."""
    failed = told.filter(pl.col("status") == "failed")
    rows = failed.filter(pl.Series(scene.chance.happens("recoded", failed["id"].to_numpy(), scene.plan.recoded)))
    drawn = (scene.chance.uniform("code", _attempts(rows["id"])) + 0.5) % 1
    codes = scene.word("failure_codes", drawn, rows["provider"])
    return _again(scene, rows, RECODED).with_columns(error_code=codes)


def _again(scene: Scene, rows: pl.DataFrame, variant: int) -> pl.DataFrame:
    waits: Floats = scene.chance.wait_ms("again", rows["id"].to_numpy(), 20 * SECOND_MS, 15 * MINUTE_MS)
    ready_at = pl.col("ready_at") + pl.Series(waits / scene.plan.haste).cast(pl.Int64) + 1
    return rows.with_columns(id=pl.col("id") | (variant << 3), ready_at=ready_at)


def _not_before_it_happened() -> pl.Expr:
    return pl.max_horizontal("ready_at", "event_time").alias("ready_at")


def _attempts(ids: pl.Series) -> Ids:
    return (ids // 1024).to_numpy()


def _mark_twins(everything: pl.DataFrame, retimed: pl.DataFrame) -> pl.DataFrame:
    originals = retimed["id"] - (RETIMED << 3)
    both = pl.concat([retimed["id"], originals])
    return everything.with_columns(twin=pl.col("id").is_in(both.implode()))
