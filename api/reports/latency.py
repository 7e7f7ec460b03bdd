"""How long after sending did messages reach a status?"""

from itertools import pairwise
from typing import Any

from pydantic import BaseModel, Field

from api.context import Context
from schemas.latency import LATENCY_BOUNDS_MS


class Percentiles(BaseModel):
    """Of the messages that reached the status. Lower bounds of cells: some 6 % low at most."""

    status: str = Field(examples=["delivered"])
    messages: int = Field(description="Messages that they are read from", examples=[176_310])
    p50_ms: int = Field(examples=[1_900])
    p95_ms: int = Field(examples=[6_400])
    p99_ms: int = Field(examples=[28_000])


class LatencyCell(BaseModel):
    from_ms: int = Field(examples=[1_800])
    to_ms: int | None = Field(description="null: no end", examples=[2_000])
    messages: int = Field(examples=[8_412])


class Part(BaseModel):
    """Of the median time to deliver. `ours`: from the intent to send until the provider took it; `provider`: until it
    had sent it on; `phone`: until it was delivered. Differences of medians."""

    whose: str = Field(examples=["provider"])
    ms: int = Field(examples=[900])


class Latency(BaseModel):
    """`exact` false: read from a fixed sixteenth of the messages."""

    exact: bool = Field(examples=[True])
    percentiles: list[Percentiles]
    parts: list[Part] = Field(description="Empty where too few messages have the reports that it takes")
    delivered: list[LatencyCell] = Field(description="Messages by time from sending to delivery")
    within_sla: float | None = Field(
        description="At least this share of those delivered was within the promised time: those of the cell that it"
        " falls in are left out. null: none is promised, or nothing delivered",
        examples=[0.9712],
    )


Cells = dict[str, list[tuple[int, int]]]
"""(lower bound in ms, messages) by status, in order."""


def read_cells(context: Context, campaign_id: str, *, exact: bool) -> Cells:
    return cells_of(context.rows("latency" if exact else "maturity", campaign_id=campaign_id))


def cells_of(rows: list[dict[str, Any]]) -> Cells:
    cells: Cells = {}
    for row in rows:
        cells.setdefault(row["status"], []).append((row["cell"], row["messages"]))
    return cells


def latency_of(cells: Cells, sla_ms: int | None, *, exact: bool) -> Latency:
    delivered = cells.get("delivered", [])
    percentiles = [_percentiles(status, counted) for status, counted in sorted(cells.items())]
    return Latency(
        exact=exact,
        percentiles=percentiles,
        parts=parts_of({told.status: told for told in percentiles}),
        delivered=[LatencyCell(from_ms=cell, to_ms=_end(cell), messages=count) for cell, count in delivered if count],
        within_sla=_within(delivered, sla_ms) if sla_ms else None,
    )


def _percentiles(status: str, counted: list[tuple[int, int]]) -> Percentiles:
    total = sum(messages for _, messages in counted)
    p50, p95, p99 = (_at_rank(counted, total * share) for share in (0.50, 0.95, 0.99))
    return Percentiles(status=status, messages=total, p50_ms=p50, p95_ms=p95, p99_ms=p99)


_STAGES = (("ours", "accepted"), ("provider", "sent"), ("phone", "delivered"))
_MOST_OF_THEM = 0.9
"""A stage that fewer of those delivered report has the median of other messages."""


def parts_of(told: dict[str, Percentiles]) -> list[Part]:
    """In the order of time. A stage that is not reported, or out of order, goes with the next."""
    delivered = told.get("delivered")
    if not delivered:
        return []
    parts, before_ms = [], 0
    for whose, status in _STAGES:
        stage = told.get(status)
        known = stage and stage.messages >= _MOST_OF_THEM * delivered.messages
        if stage and known and before_ms <= stage.p50_ms <= delivered.p50_ms:
            parts.append(Part(whose=whose, ms=stage.p50_ms - before_ms))
            before_ms = stage.p50_ms
    return parts if len(parts) > 1 else []


def _at_rank(counted: list[tuple[int, int]], rank: float) -> int:
    reached = 0
    for cell, messages in counted:
        reached += messages
        if reached >= rank:
            return cell
    return counted[-1][0] if counted else 0


_ENDS = dict(pairwise(LATENCY_BOUNDS_MS))


def _end(cell: int) -> int | None:
    return _ENDS.get(cell)


def _within(delivered: list[tuple[int, int]], sla_ms: int) -> float | None:
    total = sum(messages for _, messages in delivered)
    inside = sum(messages for cell, messages in delivered if (_end(cell) or sla_ms + 1) <= sla_ms)
    return round(inside / total, 6) if total else None
