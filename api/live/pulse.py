"""A reading of each running campaign's counters every few seconds: what rates and trends are made of."""

from datetime import UTC, datetime
from typing import Any, NamedTuple

import polars as pl

from api.context import Context
from api.live.failure_lines import reason_key
from schemas.times import HOUR_MS, SECOND_MS

ACTIVE_MS = 6 * HOUR_MS
_TIME = pl.Datetime("ms", "UTC")
_FIGURES = ("sent", "delivered", "read", "clicked", "failed")
_SCHEMA: dict[str, Any] = {
    "campaign_id": pl.String, "at": _TIME, "provider": pl.String, **dict.fromkeys(_FIGURES, pl.UInt64),
    "reasons": pl.List(pl.Struct({"key": pl.String, "value": pl.UInt64})),
}  # fmt: skip
_MOST_REASONS = 40
_STILL_MS = 25 * SECOND_MS
"""Readings more than half a minute apart leave a gap in the line."""


class Pulse:
    """One reading of each campaign that gave a sign of life lately; of one that nothing came of, only now and then."""

    def __init__(self) -> None:
        self._held: dict[str, int] = {}
        self._looked_ms = 0
        self._kept: dict[str, _Reading] = {}

    def __call__(self, context: Context) -> int:
        """How many campaigns were read."""
        now_ms, held = context.clock(), context.rows("rows_held")[0]
        active = {row["campaign_id"] for row in context.rows("campaign_activity", since=now_ms - ACTIVE_MS)}
        self._kept = {name: kept for name, kept in self._kept.items() if name in active}
        still = set(self._kept) if held == self._held else set()
        for name in sorted(active - still):
            self._read(context, name)
        for name in sorted(still):
            self._repeat(context, name, now_ms, _STILL_MS)
        self._held, self._looked_ms = held, now_ms
        return len(active - still)

    def _read(self, context: Context, campaign_id: str) -> None:
        """What stood still until the last look stands there too: else its growth would seem to have begun before."""
        if campaign_id in self._kept:
            self._repeat(context, campaign_id, self._looked_ms, 1)
        reading = read_pulse(context, campaign_id)
        context.warehouse.insert("pulse", reading)
        self._kept[campaign_id] = _Reading(context.clock(), reading)

    def _repeat(self, context: Context, campaign_id: str, at_ms: int, after_ms: int) -> None:
        """The last reading once more, where it is older than that."""
        kept = self._kept[campaign_id]
        if at_ms - kept.at_ms >= after_ms:
            at = pl.lit(datetime.fromtimestamp(at_ms / 1000, UTC)).cast(_TIME)
            context.warehouse.insert("pulse", kept.rows.with_columns(at=at))
            self._kept[campaign_id] = _Reading(at_ms, kept.rows)


class _Reading(NamedTuple):
    at_ms: int
    rows: pl.DataFrame


def read_pulse(context: Context, campaign_id: str) -> pl.DataFrame:
    """Rows of `pulse` at this moment; all together and each provider by one question, so that they agree."""
    at = datetime.fromtimestamp(context.clock() / 1000, UTC)
    reasons = context.rows("reasons", campaign_id=campaign_id)[:_MOST_REASONS]
    figures = {"": dict.fromkeys(_FIGURES, 0)}
    figures |= {row["provider"]: row for row in context.rows("providers", campaign_id=campaign_id)}
    rows = [_row(campaign_id, at, name, told, [] if name else reasons) for name, told in figures.items()]
    return pl.DataFrame(rows, schema=_SCHEMA)


def _row(
    campaign_id: str, at: datetime, provider: str, figures: dict[str, Any], reasons: list[dict[str, Any]]
) -> dict[str, Any]:
    told = [{"key": reason_key(row["provider"], row["error_code"]), "value": row["messages"]} for row in reasons]
    counts = {name: figures[name] for name in _FIGURES}
    return {"campaign_id": campaign_id, "at": at, "provider": provider, **counts, "reasons": told}
