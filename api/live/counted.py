"""Questions on large campaigns that take long: asked in the background, answered from the table `counted_answers`."""

from datetime import UTC, datetime
from typing import Any

import msgspec
import polars as pl
from msgspec import Struct

from api.context import Context
from api.reports.timeline import FAR_S

QUESTIONS: dict[str, dict[str, int]] = {
    "accounting": {},
    "attempts": {},
    "channels": {},
    "maturity": {},
    "provider_latency": {},
    "timeline_steps": {"step_s": 60, "since": 0, "before": FAR_S},
}
"""What the campaign's page asks; and with what, besides the campaign."""
_OTHERS: dict[str, dict[str, int]] = {"provider_countries": {}}
"""What the operations page asks."""
Rows = list[dict[str, Any]]


class Counted(Struct, frozen=True):
    """Answers by question, and when the oldest was asked: none and None of a campaign that is not large."""

    answers: dict[str, Rows]
    at: datetime | None


def count_answers(context: Context, campaign_id: str) -> None:
    at = datetime.fromtimestamp(context.clock() / 1000, UTC)
    asked_of = QUESTIONS | _OTHERS
    asked = {name: context.rows(name, campaign_id=campaign_id, **parameters) for name, parameters in asked_of.items()}
    rows = [
        {"campaign_id": campaign_id, "question": name, "answer": msgspec.json.encode(answer).decode(), "counted_at": at}
        for name, answer in asked.items()
    ]
    context.warehouse.insert(
        "counted_answers", pl.DataFrame(rows).with_columns(pl.col("counted_at").cast(pl.Datetime("ms", "UTC")))
    )


def read_counted(context: Context, campaign_id: str) -> Counted:
    rows = context.rows("counted_answers", campaign_id=campaign_id)
    answers = {row["question"]: _decoded(row["answer"]) for row in rows}
    if not answers.keys() >= QUESTIONS.keys():  # counted by another version of this code
        return Counted({}, None)
    return Counted(answers, min(row["counted_at"] for row in rows))


def _decoded(answer: str) -> Rows:
    """Times are text in JSON: of these answers, the column `step` alone is one."""
    rows: Rows = msgspec.json.decode(answer)
    for row in rows:
        if "step" in row:
            row["step"] = datetime.fromisoformat(row["step"])
    return rows
