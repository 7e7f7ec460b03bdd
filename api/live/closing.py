"""Counts the closed minutes of large campaigns anew, whole: reading all of them by running union takes seconds.

A minute is closed a quarter of an hour after it ended. A late report for a closed minute counts there from the next
round on; until then the timeline lacks it, while the funnel has it.
"""

from pathlib import Path
from typing import Any

import sql
from api.context import Context
from schemas.times import MINUTE_MS

CLOSES_AFTER_MS = 15 * MINUTE_MS
_STATEMENTS = Path(sql.__file__).parent / "statements"
LARGE = 1_000_000
"""Messages from which on it pays: below, the running union takes some 30 ms."""


def close_minutes(context: Context, large: int = LARGE) -> int:
    """A round over all campaigns of at least `large` messages; returns how many were counted."""
    found = context.rows("campaigns_to_close", large=large)
    for row in found:
        close_campaign(context, row["campaign_id"])
    return len(found)


def close_campaign(context: Context, campaign_id: str) -> None:
    """Counts first: a reader goes by the sets, which say up to when the counts hold."""
    now = context.clock()
    until = (now - CLOSES_AFTER_MS) // MINUTE_MS * (MINUTE_MS // 1000)
    parameters: dict[str, Any] = {"campaign_id": campaign_id, "until": until, "now": now}
    context.warehouse.command(_statement("close_minutes"), parameters)
    context.warehouse.command(_statement("close_sets"), parameters)


def _statement(name: str) -> str:
    return (_STATEMENTS / f"{name}.sql").read_text()
