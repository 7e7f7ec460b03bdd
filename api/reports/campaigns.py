"""Which campaigns are there, and how do they stand?"""

from typing import Annotated, Any

from fastapi import APIRouter, Query
from pydantic import AwareDatetime, BaseModel, Field

from api.access import CanRead
from api.context import Asking, Context
from api.live.pace import SILENT_AFTER_MS, Phase, why_paused
from api.problems import documented
from api.reports.funnel import share
from schemas.times import MINUTE_MS

router = APIRouter(prefix="/api/campaigns", tags=["reports"], dependencies=[CanRead])
_SETTLES_MS = 10 * MINUTE_MS


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
    return CampaignPage(total=total, campaigns=[_line(row, told_ms) for row in rows])


def _line(row: dict[str, Any], told_ms: int) -> CampaignLine:
    told = {name: row.pop(name) for name in ("queue", "in_flight", "slower_because")}
    return CampaignLine(
        **row,
        phase=_phase(row, told, told_ms),
        delivered_rate=share(row["delivered"], row["sent"]),
        read_rate=share(row["read"], row["sent"]) if row["read"] else None,
        failed_rate=share(row["failed"], row["sent"]),
    )


def lag_ms(context: Context) -> int:
    """How far the slowest lane is behind; 0 where no flow tells."""
    rows = context.rows("freshness", since=context.clock() - MINUTE_MS)
    return int(rows[0]["lag_ms"]) if rows else 0


def _phase(row: dict[str, Any], told: dict[str, Any], now_ms: int) -> Phase:
    """As the campaign's own page says, from the sender's last word alone."""
    if row["last_at"] is None:
        if not row["sent"]:
            return "ready"
        return "running" if now_ms - row["frozen_at"].timestamp() * 1000 < _SETTLES_MS else "done"
    if why_paused(told["slower_because"]) is not None:
        return "paused"
    if told["queue"] == 0:
        return "done"
    return "silent" if now_ms - row["last_at"].timestamp() * 1000 > SILENT_AFTER_MS else "running"
