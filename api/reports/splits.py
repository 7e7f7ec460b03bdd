"""How far did messages get by channel, provider, sender number, country or template?"""

from typing import Literal

from pydantic import AwareDatetime, BaseModel, Field

from api.context import Context
from api.reports.funnel import share

Dimension = Literal["channel", "provider", "sender", "country", "template"]
COUNTED: tuple[Dimension, ...] = ("channel", "sender", "country", "template")
"""What large campaigns are counted by in the background."""


class SplitRow(BaseModel):
    """Messages with one value of the dimension, and the shares of those sent; `unknown`: no outbound record tells."""

    value: str = Field(examples=["NL"])
    sent: int = Field(examples=[41_000])
    delivered: int = Field(examples=[37_220])
    read: int = Field(examples=[15_410])
    clicked: int = Field(examples=[1_240])
    failed: int = Field(examples=[1_310])
    delivered_rate: float | None = Field(examples=[0.9087])
    read_rate: float | None = Field(examples=[0.3634])
    clicked_rate: float | None = Field(examples=[0.0315])
    failed_rate: float | None = Field(examples=[0.0304])


class Split(BaseModel):
    dimension: Dimension = Field(examples=["country"])
    rows: list[SplitRow]
    counted_at: AwareDatetime | None = Field(
        None,
        description="A large campaign is counted in the background, then; null: counted now",
        examples=["2026-11-20T18:30:00Z"],
    )


def read_split(context: Context, campaign_id: str, dimension: Dimension, *, now: bool = False) -> Split:
    """`now`: never as it was counted in the background."""
    if dimension == "provider":
        found = [row for row in context.rows("providers", campaign_id=campaign_id) if row["provider"]]
        return Split(dimension=dimension, rows=[_row(value=row.pop("provider"), **row) for row in found])
    if not now and (found := context.rows("split_counts", campaign_id=campaign_id, dimension=dimension)):
        counted_at = max(row.pop("counted_at") for row in found)
        return Split(dimension=dimension, rows=[_row(**row) for row in found], counted_at=counted_at)
    found = context.rows("splits", campaign_id=campaign_id, dimension=dimension)
    return Split(dimension=dimension, rows=[_row(**row) for row in found])


def _row(value: str, sent: int, delivered: int, read: int, clicked: int, failed: int) -> SplitRow:
    return SplitRow(
        value=value,
        sent=sent,
        delivered=delivered,
        read=read,
        clicked=clicked,
        failed=failed,
        delivered_rate=share(delivered, sent),
        read_rate=share(read, sent),
        clicked_rate=share(clicked, sent),
        failed_rate=share(failed, sent),
    )
