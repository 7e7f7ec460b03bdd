"""Which campaigns are there, and how do they stand?"""

from typing import Annotated, Any

from fastapi import APIRouter, Query
from pydantic import AwareDatetime, BaseModel, Field

from api.access import CanRead
from api.context import Asking, Context
from api.live.pace import Phase, phase_of, sent_last
from api.problems import documented
from api.reports.funnel import share
from schemas.times import MINUTE_MS

router = APIRouter(prefix="/api/campaigns", tags=["reports"], dependencies=[CanRead])


class CampaignLine(BaseModel):
    """A campaign in the list; rates are of those sent."""

    campaign_id: str = Field(examples=["autumn-sale"])
    name: str = Field(examples=["Autumn sale"])
    channel: str = Field(examples=["whatsapp"])
    audience: int = Field(examples=[200_000])
    frozen_at: AwareDatetime = Field(examples=["2026-11-20T18:00:00Z"])
    phase: Phase = Field(examples=["running"])
    sent: int = Field(examples=[194_020])
    delivered: int = Field(examples=[176_310])
    read: int = Field(examples=[70_500])
    clicked: int = Field(examples=[6_120])
    failed: int = Field(examples=[5_900])
    delivered_rate: float | None = Field(examples=[0.9087])
    read_rate: float | None = Field(examples=[0.3634])
    failed_rate: float | None = Field(examples=[0.0304])
    last_at: AwareDatetime | None = Field(
        description="When its sender last told of itself", examples=["2026-11-20T18:31:04Z"]
    )


class CampaignPage(BaseModel):
    total: int = Field(description="Campaigns that fit the search", examples=[14])
    campaigns: list[CampaignLine]


@router.get("", responses=documented())
def list_campaigns(
    asking: Asking,
    search: Annotated[str, Query(max_length=100, description="Looked for in id and name")] = "",
    at_most: Annotated[int, Query(ge=1, le=200)] = 20,
    skip: Annotated[int, Query(ge=0, le=1_000_000)] = 0,
) -> CampaignPage:
    """Newest first."""
    rows = asking.rows("campaigns", search=search, at_most=at_most, skip=skip)
    told_ms = asking.clock() - lag_ms(asking)
    total = asking.rows("campaigns_count", search=search)[0]["campaigns"]
    active = sent_last(asking, [row["campaign_id"] for row in rows if row["last_at"] is None])
    return CampaignPage(total=total, campaigns=[_line(row, active.get(row["campaign_id"]), told_ms) for row in rows])


def _line(row: dict[str, Any], active_at_ms: int | None, told_ms: int) -> CampaignLine:
    told = {name: row.pop(name) for name in ("queue", "in_flight", "slower_because")} | {"last_at": row["last_at"]}
    return CampaignLine(
        **row,
        phase=phase_of(told if row["last_at"] else None, active_at_ms, told_ms),
        delivered_rate=share(row["delivered"], row["sent"]),
        read_rate=share(row["read"], row["sent"]) if row["read"] else None,
        failed_rate=share(row["failed"], row["sent"]),
    )


def lag_ms(context: Context) -> int:
    """How far the slowest lane is behind; 0 where no flow tells."""
    rows = context.rows("freshness", since=context.clock() - MINUTE_MS)
    return int(rows[0]["lag_ms"]) if rows else 0
