"""What senders write about whole campaigns: the plan, and our own sender's every second."""

import msgspec
import numpy as np
import polars as pl

from loadgen.plan import PILOT_LEAD_MS, Campaign, Plan
from schemas.outbound import Campaign as CampaignRecord
from schemas.outbound import Progress
from schemas.times import HOUR_MS, MINUTE_MS

_SCHEMA = {"arrives_at": pl.Int64, "line": pl.String}
_PRICES = {"NL": 0.11, "FR": 0.12, "ES": 0.05, "": 0.09}


def notes(plan: Plan, from_ms: int, before_ms: int) -> pl.DataFrame:
    """The lines with `arrives_at` from `from_ms` up to, not including, `before_ms`, in order of time."""
    plans = pl.concat([_plans(plan, campaign) for campaign in plan.campaigns if campaign.recorded])
    due = plans.filter(pl.col("arrives_at").is_between(from_ms, before_ms, closed="left"))
    return pl.concat([due, _progress(plan, from_ms, before_ms)]).sort("arrives_at", maintain_order=True)


def _plans(plan: Plan, campaign: Campaign) -> pl.DataFrame:
    """Before anything else, and again when sending starts."""
    frozen_at = plan.start_ms - (PILOT_LEAD_MS + HOUR_MS if plan.pilot else MINUTE_MS)
    records = [_plan_record(plan, campaign, frozen_at, at) for at in (frozen_at, plan.start_ms)]
    return pl.DataFrame([(record.at, _line(record)) for record in records], schema=_SCHEMA, orient="row")


def _plan_record(plan: Plan, campaign: Campaign, frozen_at: int, at: int) -> CampaignRecord:
    return CampaignRecord(
        at=at,
        campaign_id=campaign.id,
        name=campaign.name,
        channel=plan.mix[0].channel if campaign.keyed else "sms",
        audience=campaign.messages,
        frozen_at=frozen_at,
        limit_per_s=_allowed_per_s(plan, campaign),
        sla_p95_ms=5 * MINUTE_MS,
        prices=_PRICES,
    )


def _progress(plan: Plan, from_ms: int, before_ms: int) -> pl.DataFrame:
    campaign = plan.campaigns[0]
    stop_ms = min(before_ms, plan.start_ms + plan.sending_ms + 1)
    first = -(-(max(from_ms, plan.start_ms + 1) - plan.start_ms) // plan.progress_ms)
    behind = (stop_ms - plan.start_ms - 1) // plan.progress_ms + 1
    ats = plan.start_ms + np.arange(max(first, 1), behind) * plan.progress_ms
    lines = [_line(_progress_record(plan, campaign, int(at))) for at in ats]
    return pl.DataFrame({"arrives_at": ats.astype(np.int64), "line": lines}, schema=_SCHEMA)


def _progress_record(plan: Plan, campaign: Campaign, at: int) -> Progress:
    sent = (at - plan.start_ms) * campaign.messages // plan.sending_ms
    before = (at - plan.progress_ms - plan.start_ms) * campaign.messages // plan.sending_ms
    achieved_per_s = (sent - before) * 1000 / plan.progress_ms
    return Progress(
        at=at,
        campaign_id=campaign.id,
        allowed_per_s=_allowed_per_s(plan, campaign),
        achieved_per_s=achieved_per_s,
        slower_because="provider_answers",
        queue=campaign.messages - sent,
        in_flight=int(achieved_per_s * 0.2),
    )


def _allowed_per_s(plan: Plan, campaign: Campaign) -> float:
    return float(-(-campaign.messages * 1_250 // plan.sending_ms))


def _line(record: CampaignRecord | Progress) -> str:
    return msgspec.json.encode(record).decode()
