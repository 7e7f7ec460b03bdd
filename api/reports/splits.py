"""How far did messages get by channel, provider, sender number, country or template?"""

from typing import Literal

from pydantic import BaseModel, Field

from api.context import Context
from api.reports.funnel import share

Dimension = Literal["channel", "provider", "sender", "country", "template"]


class SplitRow(BaseModel):
    """Messages with one value of the dimension, and the shares of those sent; `unknown`: no outbound record tells."""

    value: str = Field(examples=["NL"])
    sent: int
    delivered: int
    read: int
    clicked: int
    failed: int
    delivered_rate: float | None
    read_rate: float | None
    clicked_rate: float | None
    failed_rate: float | None


class Split(BaseModel):
    dimension: Dimension
    rows: list[SplitRow]


def read_split(context: Context, campaign_id: str, dimension: Dimension) -> Split:
    if dimension == "provider":
        found = context.rows("providers", campaign_id=campaign_id)
        return Split(dimension=dimension, rows=[_row(value=row.pop("provider"), **row) for row in found])
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
