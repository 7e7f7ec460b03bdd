"""A reading of each running campaign's counters every few seconds: what rates and trends are made of."""

from datetime import UTC, datetime
from typing import Any

import polars as pl

from api.context import Context
from api.live.watcher import reason_key
from schemas.times import HOUR_MS

ACTIVE_MS = 6 * HOUR_MS
_TIME = pl.Datetime("ms", "UTC")
_FIGURES = ("sent", "delivered", "read", "clicked", "failed")
_SCHEMA: dict[str, Any] = {
    "campaign_id": pl.String, "at": _TIME, "provider": pl.String, **dict.fromkeys(_FIGURES, pl.UInt64),
    "reasons": pl.List(pl.Struct({"key": pl.String, "value": pl.UInt64})),
}  # fmt: skip
_MOST_REASONS = 40


def take_pulse(context: Context) -> int:
    """One reading of each campaign that gave a sign of life lately; returns how many."""
    since = context.clock() - ACTIVE_MS
    active = [row["campaign_id"] for row in context.rows("campaign_activity", since=since)]
    for campaign_id in active:
        context.warehouse.insert("pulse", read_pulse(context, campaign_id))
    return len(active)


def read_pulse(context: Context, campaign_id: str) -> pl.DataFrame:
    """Rows of `pulse` at this moment."""
    at = datetime.fromtimestamp(context.clock() / 1000, UTC)
    funnel = context.rows("funnel", campaign_id=campaign_id)[0]
    reasons = context.rows("failures", campaign_id=campaign_id)[:_MOST_REASONS]
    rows = [_row(campaign_id, at, "", funnel, reasons)]
    rows += [
        _row(campaign_id, at, line["provider"], line, []) for line in context.rows("providers", campaign_id=campaign_id)
    ]
    return pl.DataFrame(rows, schema=_SCHEMA)


def _row(
    campaign_id: str, at: datetime, provider: str, figures: dict[str, Any], reasons: list[dict[str, Any]]
) -> dict[str, Any]:
    told = [{"key": reason_key(row["provider"], row["error_code"]), "value": row["messages"]} for row in reasons]
    counts = {name: figures[name] for name in _FIGURES}
    return {"campaign_id": campaign_id, "at": at, "provider": provider, **counts, "reasons": told}
