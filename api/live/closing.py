"""Counts large campaigns anew, whole, in the background: what takes a second or more to read from sets.

minutes ──▶ closed_minutes, closed_sets     the running union over all minutes
splits  ──▶ split_counts                    35 values' sets, each cut with those of five statuses
all     ──▶ counted_answers                 the page's slower questions, by `api.live.counted`

A minute is closed a quarter of an hour after it ended. A late report for a closed minute counts there from the next
round on, as every report does in a split; until then they lack it, while the funnel has it, and say when they were
counted. A campaign of which nothing came since is left as it was counted.
"""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple

import polars as pl

import sql
from api.context import Context
from api.live.counted import count_answers
from api.reports.splits import COUNTED
from schemas.times import MINUTE_MS

CLOSES_AFTER_MS = 15 * MINUTE_MS
_STATEMENTS = Path(sql.__file__).parent / "statements"
LARGE = 1_000_000
"""Messages from which on it pays: below, the running union takes some 30 ms."""


class _Counted(NamedTuple):
    """`rows` stood of the campaign since `since_ms`; `at_ms`: when it was last counted."""

    rows: int
    since_ms: int
    at_ms: int

    def holds(self, rows: int) -> bool:
        """Nothing came since, and all of it is in closed minutes."""
        return rows == self.rows and self.at_ms >= self.since_ms + CLOSES_AFTER_MS + MINUTE_MS


class Closing:
    """Each call counts one campaign of at least `large` messages, so that work and rest alternate.

    In turn one of those that change, the longest uncounted, and one that this process has not counted yet, the newest.
    """

    def __init__(self, large: int = LARGE) -> None:
        self._large = large
        self._counted: dict[str, _Counted] = {}
        self._calls = 0

    def __call__(self, context: Context) -> int:
        """How many campaigns were counted: one, or none."""
        self._calls += 1
        now_ms, due = context.clock(), self._due(context)
        if not due:
            return 0
        name, rows = due[self._calls % len(due)]
        before = self._counted.get(name)
        since_ms = before.since_ms if before and before.rows == rows else now_ms
        close_campaign(context, name)
        count_splits(context, name)
        count_answers(context, name)
        self._counted[name] = _Counted(rows, since_ms, now_ms)
        return 1

    def _due(self, context: Context) -> list[tuple[str, int]]:
        """Names and rows: the most urgent that changes, and the most urgent that is new, where there are such."""
        names = [row["campaign_id"] for row in context.rows("campaigns_to_close", large=self._large)]
        found = [(name, _rows(context, name)) for name in names]
        new = [entry for entry in found if entry[0] not in self._counted]
        changed = [entry for entry in found if entry not in new and not self._counted[entry[0]].holds(entry[1])]
        changed.sort(key=lambda entry: self._counted[entry[0]].at_ms)
        return changed[:1] + new[:1]


def _rows(context: Context, campaign_id: str) -> int:
    return int(context.rows("campaign_rows", campaign_id=campaign_id)[0]["rows"])


def close_campaign(context: Context, campaign_id: str) -> None:
    """Counts first: a reader goes by the sets, which say up to when the counts hold."""
    now = context.clock()
    until = (now - CLOSES_AFTER_MS) // MINUTE_MS * (MINUTE_MS // 1000)
    parameters: dict[str, Any] = {"campaign_id": campaign_id, "until": until, "now": now}
    context.warehouse.command(_statement("close_minutes"), parameters)
    context.warehouse.command(_statement("close_sets"), parameters)


def count_splits(context: Context, campaign_id: str) -> None:
    """One insert, so that a reader has all of a count or of the one before."""
    at = pl.lit(datetime.fromtimestamp(context.clock() / 1000, UTC)).dt.cast_time_unit("ms")
    counted = [
        context.ask("splits", campaign_id=campaign_id, dimension=dimension).with_columns(dimension=pl.lit(dimension))
        for dimension in COUNTED
    ]
    context.warehouse.insert(
        "split_counts", pl.concat(counted).with_columns(campaign_id=pl.lit(campaign_id), counted_at=at)
    )


def _statement(name: str) -> str:
    return (_STATEMENTS / f"{name}.sql").read_text()
