"""Statuses put into bodies, and bodies posted: once, mostly, or several times."""

from collections.abc import Iterator

import numpy as np
import polars as pl
from numpy.typing import NDArray

from loadgen.chance import Chance, Floats, Ids
from loadgen.plan import Plan
from loadgen.pool import Pool
from schemas.times import MINUTE_MS, SECOND_MS

REPEATS = 3
"""The most times that a body is repeated."""

_REPLAYED = 0.25
"""Of the repeats: not the provider's but our own, the same request taken in again."""


class Mailroom:
    """Each provider collects what is ready, in that order, until a body holds as many statuses as it wants.

    A posting is one line of the topic `webhook`: `body` (its own in the run), `repeat` (0: the first), `receipt`
    (equal for the repeats that are our own replay), `received_at`, `arrives_at` (its place in the topic), UTC ms.
    """

    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        self._chance = Chance(plan.seed, "bodies")
        self._open = {provider.name: pl.DataFrame() for provider in plan.mix}
        self._closed = {provider.name: 0 for provider in plan.mix}
        self._postings = Pool("arrives_at", "body", "repeat")

    def post(self, ready: pl.DataFrame, before_ms: int, last: bool) -> pl.DataFrame:
        """The statuses of the postings that arrive before `before_ms`, in order, with the columns of a posting.

        `ready` are the statuses whose `ready_at` lies before it, in that order. At the `last` call bodies that are not
        full go out too, at the end of the run.
        """
        for place, name in enumerate(self._open):
            own = ready.filter(pl.col("provider") == name) if len(ready) else ready
            waiting = [rows for rows in (self._open[name], own) if len(rows)]
            if waiting:
                self._postings_of(place, name, pl.concat(waiting), last)
        return self._postings.due(before_ms)

    def _postings_of(self, place: int, name: str, rows: pl.DataFrame, last: bool) -> None:
        bodies = np.uint64(place << 40) + np.arange(self._closed[name], self._closed[name] + len(rows), dtype=np.uint64)
        ends = np.cumsum(self._sizes(bodies))
        which = np.searchsorted(ends, np.arange(len(rows)), side="right")
        full = int(np.searchsorted(ends, len(rows), side="right"))
        received_at = np.full(len(rows), self._plan.end_ms)
        received_at[:full] = rows["ready_at"].to_numpy()[ends[:full] - 1]
        posted = rows.with_columns(body=bodies[which], received_at=received_at[which])
        done = len(rows) if last else int(ends[full - 1]) if full else 0
        self._open[name] = rows[done:]
        self._closed[name] += full
        for posting in self._repeated(posted[:done]):
            self._postings.add(posting)

    def _sizes(self, bodies: Ids) -> NDArray[np.int64]:
        """Half of the bodies hold one status, the others two and more, geometrically."""
        mean = self._plan.statuses_per_body
        if self._plan.exact_bodies or mean <= 1:
            return np.full(len(bodies), round(mean), dtype=np.int64)
        more = max(0.01, 2 * mean - 3)
        drawn = self._chance.uniform("size", bodies)
        steps = np.log1p(-self._chance.uniform("more", bodies)) / np.log(more / (1 + more))
        return np.where(drawn < 0.5, 1, np.minimum(2 + steps.astype(np.int64), 1000))

    def _repeated(self, posted: pl.DataFrame) -> Iterator[pl.DataFrame]:
        """The first posting and its repeats, the second rarer than the first, as far as they arrive in time."""
        bodies = posted["body"].to_numpy()
        drawn = self._chance.uniform("repeated", bodies)
        first = posted.with_columns(
            repeat=pl.lit(0, pl.UInt8), receipt=pl.lit(0, pl.UInt8), arrives_at=pl.col("received_at")
        )
        yield first
        for repeat in range(1, REPEATS + 1):
            chosen = pl.Series(drawn < self._plan.repeated_bodies * 0.1 ** (repeat - 1))
            yield self._repeat(first.filter(chosen), repeat)

    def _repeat(self, first: pl.DataFrame, repeat: int) -> pl.DataFrame:
        ids = first["body"].to_numpy() * np.uint64(4) + np.uint64(repeat)
        waits: Floats = self._chance.wait_ms("again", ids, 20 * SECOND_MS, 15 * MINUTE_MS) / self._plan.haste
        replayed = pl.Series(self._chance.happens("replayed", ids, _REPLAYED))
        arrives_at = pl.col("received_at") + pl.Series(waits).cast(pl.Int64) + 1
        return first.with_columns(
            repeat=pl.lit(repeat, pl.UInt8),
            receipt=pl.when(replayed).then(0).otherwise(repeat).cast(pl.UInt8),
            received_at=pl.when(replayed).then("received_at").otherwise(arrives_at),
            arrives_at=arrives_at,
        ).filter(pl.col("arrives_at") <= self._plan.end_ms)
