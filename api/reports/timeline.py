"""When did messages first reach each status? In steps, and as a grid of weekdays and hours."""

from datetime import UTC, datetime, timedelta
from enum import IntEnum
from zoneinfo import ZoneInfo

import polars as pl
from pydantic import AwareDatetime, BaseModel, Field

from api.context import Context
from schemas.times import LATEST_MS, SECOND_MS

FAR_S = LATEST_MS // SECOND_MS
"""Behind every minute."""
_MOST_STEPS = 400


class Step(IntEnum):
    """Seconds."""

    MINUTE = 60
    FIVE_MINUTES = 300
    QUARTER = 900
    HOUR = 3_600
    SIX_HOURS = 21_600
    DAY = 86_400


class TimelinePoint(BaseModel):
    """A step and the messages that first reached each status in it; a status without any is left out."""

    at: AwareDatetime = Field(examples=["2026-11-20T18:05:00Z"])
    messages: dict[str, int] = Field(examples=[{"delivered": 4_210, "read": 320}])


class Timeline(BaseModel):
    step_s: int = Field(examples=[300])
    points: list[TimelinePoint]
    closed_until: AwareDatetime | None = Field(
        description="Before it, steps stand as they were last counted, at `counted_at`; null: all are counted now",
        examples=["2026-11-20T18:15:00Z"],
    )
    counted_at: AwareDatetime | None = Field(examples=["2026-11-20T18:30:00Z"])


class Heatmap(BaseModel):
    """Messages that first reached `status`, by local weekday (0: Monday) and hour."""

    status: str = Field(examples=["read"])
    zone: str = Field(examples=["Europe/Amsterdam"])
    messages: list[list[int]] = Field(description="7 weekdays of 24 hours", examples=[[[0] * 24] * 7])


def read_timeline(
    context: Context, campaign_id: str, step_s: int | None, since: datetime | None, before: datetime | None
) -> Timeline:
    """`step_s` None: the finest that gives at most 400 points."""
    first, last = _seconds(since, 0), _seconds(before, FAR_S)
    minutes = _steps(context, campaign_id, step_s or Step.MINUTE, first, last)
    chosen = step_s or _fitting(minutes)
    points: dict[datetime, dict[str, int]] = {}
    for status, step, messages in minutes.iter_rows():
        at = _floor(step, chosen)
        cell = points.setdefault(at, {})
        cell[status] = cell.get(status, 0) + messages
    closed = context.rows("closed_until", campaign_id=campaign_id)
    return Timeline(
        step_s=chosen,
        points=[TimelinePoint(at=at, messages=messages) for at, messages in sorted(points.items())],
        closed_until=closed[0]["closed_until"] if closed else None,
        counted_at=closed[0]["counted_at"] if closed else None,
    )


def read_heatmap(context: Context, campaign_id: str, status: str, zone: ZoneInfo) -> Heatmap:
    grid = [[0] * 24 for _ in range(7)]
    # What zones are apart by.
    for found, step, messages in _steps(context, campaign_id, Step.QUARTER, 0, FAR_S).iter_rows():
        if found == status:
            local = step.astimezone(zone)
            grid[local.weekday()][local.hour] += messages
    return Heatmap(status=status, zone=str(zone), messages=grid)


def _steps(context: Context, campaign_id: str, step_s: int, since: int, before: int) -> pl.DataFrame:
    return context.ask("timeline_steps", campaign_id=campaign_id, step_s=step_s, since=since, before=before)


def _fitting(minutes: pl.DataFrame) -> int:
    if not len(minutes):
        return Step.MINUTE
    steps = minutes["step"]
    earliest, latest = steps.dt.epoch("ms").min(), steps.dt.epoch("ms").max()
    assert isinstance(earliest, int)
    assert isinstance(latest, int)
    span_s = (latest - earliest) / SECOND_MS
    return next((step for step in Step if span_s / step <= _MOST_STEPS), Step.DAY)


def _floor(at: datetime, step_s: int) -> datetime:
    since_epoch = at - datetime(1970, 1, 1, tzinfo=UTC)
    return at - since_epoch % timedelta(seconds=step_s)


def _seconds(at: datetime | None, otherwise: int) -> int:
    return otherwise if at is None else min(max(int(at.timestamp()), 0), FAR_S)
