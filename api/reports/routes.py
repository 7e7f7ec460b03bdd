"""`GET /api/campaigns/{id}/…`: one report each, the question answered by a file in sql/queries."""

from typing import Annotated, Literal
from zoneinfo import ZoneInfo, available_timezones

from fastapi import APIRouter, Query
from pydantic import AwareDatetime, BaseModel

from api.access import CanRead
from api.context import Asking, CampaignId
from api.problems import Refusal, documented
from api.reports.accounting import Accounting, read_accounting
from api.reports.comparison import Comparison, compare, read_curves
from api.reports.cost import Cost, read_cost
from api.reports.failures import Failures, read_failures
from api.reports.funnel import Attempts, Funnel, Rates, rates_of, read_attempts, read_funnel
from api.reports.latency import Latency, latency_of, read_cells
from api.reports.plan import read_plan
from api.reports.splits import Dimension, Split, read_split
from api.reports.timeline import Heatmap, Step, Timeline, read_heatmap, read_timeline
from schemas.times import ms_of

router = APIRouter(
    prefix="/api/campaigns/{campaign_id}", tags=["reports"], dependencies=[CanRead], responses=documented(404)
)


Shown = Literal["accepted", "sent", "delivered", "read", "clicked", "failed", "complained", "unsubscribed"]


class FunnelReport(BaseModel):
    funnel: Funnel
    rates: Rates
    attempts: Attempts


@router.get("/funnel")
def read_funnel_report(asking: Asking, campaign_id: CampaignId) -> FunnelReport:
    """Messages that reached each stage, out of those sent; what trying again brought."""
    read_plan(asking, campaign_id)
    funnel = read_funnel(asking, campaign_id)
    return FunnelReport(funnel=funnel, rates=rates_of(funnel), attempts=read_attempts(asking, campaign_id))


@router.get("/failures")
def read_failure_report(asking: Asking, campaign_id: CampaignId) -> Failures:
    """Reasons with their meaning, owner and action."""
    read_plan(asking, campaign_id)
    funnel = read_funnel(asking, campaign_id)
    return Failures(total=funnel.failed_ever, lost=funnel.failed, rows=read_failures(asking, campaign_id))


@router.get("/timeline")
def read_timeline_report(
    asking: Asking,
    campaign_id: CampaignId,
    step_s: Annotated[Step | None, Query(description="Left out: the finest that gives at most 400 points")] = None,
    since: AwareDatetime | None = None,
    before: AwareDatetime | None = None,
) -> Timeline:
    """When messages first reached each status."""
    read_plan(asking, campaign_id)
    return read_timeline(asking, campaign_id, step_s, since, before)


@router.get("/heatmap")
def read_heatmap_report(
    asking: Asking,
    campaign_id: CampaignId,
    status: Shown = "read",
    zone: Annotated[str, Query(max_length=64, examples=["Europe/Amsterdam"])] = "UTC",
) -> Heatmap:
    """Messages by local weekday and hour."""
    if zone not in available_timezones():
        raise Refusal(422, "A parameter is wrong", "query.zone: no such time zone")
    read_plan(asking, campaign_id)
    return read_heatmap(asking, campaign_id, status, ZoneInfo(zone))


@router.get("/latency")
def read_latency_report(
    asking: Asking,
    campaign_id: CampaignId,
    exact: Annotated[bool, Query(description="From every message, instead of a fixed sixteenth")] = True,
) -> Latency:
    """Percentiles of the time from sending to each status."""
    plan = read_plan(asking, campaign_id)
    return latency_of(read_cells(asking, campaign_id, exact=exact), plan.sla_p95_ms, exact=exact)


@router.get("/splits")
def read_split_report(
    asking: Asking,
    campaign_id: CampaignId,
    by: Dimension = "channel",
    now: Annotated[bool, Query(description="Count now, which takes seconds for tens of millions of messages")] = False,
) -> Split:
    """How far messages got, by one dimension."""
    read_plan(asking, campaign_id)
    return read_split(asking, campaign_id, by, now=now)


@router.get("/cost")
def read_cost_report(asking: Asking, campaign_id: CampaignId) -> Cost:
    """Messages sent times the plan's price for their country."""
    return read_cost(asking, read_plan(asking, campaign_id))


@router.get("/accounting")
def read_accounting_report(asking: Asking, campaign_id: CampaignId) -> Accounting:
    """Where every message of the audience is."""
    return read_accounting(asking, campaign_id, read_plan(asking, campaign_id).audience)


@router.get("/comparison")
def read_comparison_report(asking: Asking, campaign_id: CampaignId) -> Comparison:
    """What was usual in earlier campaigns of the channel, for messages as old as these."""
    plan = read_plan(asking, campaign_id)
    points = read_timeline(asking, campaign_id, 60, None, None).points
    sent = [(float(ms_of(point.at)), point.messages.get("accepted", 0)) for point in points]
    return compare(read_curves(asking, plan), [(at, count) for at, count in sent if count], asking.clock())
