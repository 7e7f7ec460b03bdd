"""How fast is the campaign being sent, what holds it back, and when is it done?"""

from datetime import UTC, datetime
from math import inf
from typing import Any, Literal

import numpy as np
from pydantic import AwareDatetime, BaseModel, Field

from api.context import Context
from api.live.recent import reason_in_words
from schemas.times import DAY_MS, MINUTE_MS, SECOND_MS, ms_of

Phase = Literal["ready", "running", "paused", "silent", "done"]
_SILENT_AFTER_MS = 15 * SECOND_MS
_QUIET_AFTER_MS = 2 * MINUTE_MS
_LOOK_BACK_S = 300
_STRETCH_S = 15
_FARTHEST_S = 366 * DAY_MS / SECOND_MS
"""What lies beyond is told as this: a campaign that nearly stands would be done in a year that no calendar has."""


class Pace(BaseModel):
    """The sender's own word. `done_at` and its range: what is queued, at the slow and fast stretches of 5 minutes."""

    phase: Phase = Field(examples=["running"])
    allowed_per_s: float = Field(0, examples=[1_307.2])
    achieved_per_s: float = Field(0, description="Mean of the last 5 seconds", examples=[1_180.4])
    average_per_s: float = Field(0, description="Since the start", examples=[1_162.0])
    slower_because: str = Field("", examples=["provider: all connections wait"])
    why: str = Field("", description="The same in words", examples=["provider answers slowly"])
    queue: int = Field(0, description="Rendered and waiting, as the sender says", examples=[4_000])
    in_flight: int = Field(0, examples=[82])
    started_at: AwareDatetime | None = Field(None, examples=["2026-11-20T18:00:02Z"])
    last_at: AwareDatetime | None = Field(None, examples=["2026-11-20T18:31:04Z"])
    done_at: AwareDatetime | None = Field(None, examples=["2026-11-20T18:42:00Z"])
    done_from: AwareDatetime | None = Field(None, examples=["2026-11-20T18:41:00Z"])
    done_to: AwareDatetime | None = Field(None, examples=["2026-11-20T18:44:00Z"])
    late_share: float | None = Field(
        None,
        description="How much later it is done than at its average pace, of the whole duration at that pace",
        examples=[0.031],
    )


def pace_of(
    seconds: list[dict[str, Any]],
    ends: dict[str, Any] | None,
    *,
    sent: int,
    queued: int,
    audience: int,
    active_at_ms: int | None,
    now_ms: int,
    behind_ms: int = 0,
) -> Pace:
    """`seconds`: progress of late, in order; `ends`: its first and last; `active_at_ms`: as `sent_last` has it;
    `behind_ms`: how old the tables' latest news are, so that a sender is not called silent for our delay."""
    phase = phase_of(ends, active_at_ms, now_ms - behind_ms)
    if not ends:
        return Pace(phase=phase)
    first_ms, last_ms = ms_of(ends["first_at"]), ms_of(ends["last_at"])
    pace = Pace(
        phase=phase,
        allowed_per_s=ends["allowed_per_s"],
        achieved_per_s=round(_mean([row["achieved_per_s"] for row in seconds[-5:]]), 1),
        average_per_s=round(1000 * sent / max(SECOND_MS, last_ms - first_ms + SECOND_MS), 1),
        slower_because=ends["slower_because"],
        why=reason_in_words(ends["slower_because"]),
        queue=ends["queue"],
        in_flight=ends["in_flight"],
        started_at=ends["first_at"],
        last_at=ends["last_at"],
    )
    if pace.phase == "running" and queued > 0:
        _foresee(pace, [row["achieved_per_s"] for row in seconds[-_LOOK_BACK_S:]], queued, now_ms)
        _compare_with_average(pace, queued, audience, now_ms)
    return pace


def last_word(ends: dict[str, Any] | None, seconds: list[dict[str, Any]]) -> dict[str, Any] | None:
    """`ends`, read some seconds ago, with what the sender said since."""
    if not seconds:
        return ends
    last = seconds[-1]
    return {"first_at": seconds[0]["at"], **(ends or {}), **last, "last_at": last["at"]}


def why_paused(slower_because: str) -> str | None:
    """What the sender was told with the order, "" if nothing; None where it isn't paused."""
    cause, _, why = slower_because.partition(": ")
    return why if cause == "paused" else None


def phase_of(told: dict[str, Any] | None, active_at_ms: int | None, now_ms: int) -> Phase:
    """`told`: the sender's last word. A sender that says none is judged by when messages were sent last."""
    if not told:
        if active_at_ms is None:
            return "ready"
        return "running" if now_ms - active_at_ms < _QUIET_AFTER_MS else "done"
    if why_paused(told["slower_because"]) is not None:
        return "paused"
    is_silent = now_ms - ms_of(told["last_at"]) > _SILENT_AFTER_MS
    if told["queue"] == 0:
        return "done" if told["in_flight"] == 0 or is_silent else "running"
    return "silent" if is_silent else "running"


def sent_last(context: Context, campaigns: list[str]) -> dict[str, int]:
    """When the last minute ended that messages of each campaign were sent in; none of a campaign that has not begun."""
    if not campaigns:
        return {}
    rows = context.rows("sent_last", campaigns=campaigns)
    return {row["campaign_id"]: ms_of(row["minute"]) + MINUTE_MS for row in rows}


def _foresee(pace: Pace, achieved: list[float], queued: int, now_ms: int) -> None:
    whole = len(achieved) // _STRETCH_S * _STRETCH_S
    stretches = [_mean(achieved[-whole:][at : at + _STRETCH_S]) for at in range(0, whole, _STRETCH_S)]
    rates = [rate for rate in stretches or [pace.achieved_per_s] if 0 < rate < inf]
    if not rates:
        return
    slow, fast = (float(rate) for rate in np.quantile(rates, (0.1, 0.9)))
    recent = _mean(rates[-4:])
    pace.done_at, pace.done_from, pace.done_to = (
        datetime.fromtimestamp(now_ms / 1000 + min(queued / rate, _FARTHEST_S), UTC)
        for rate in (recent, max(fast, recent), min(slow, recent))
    )


def _compare_with_average(pace: Pace, queued: int, audience: int, now_ms: int) -> None:
    if pace.done_at and pace.average_per_s and audience:
        left_s = (ms_of(pace.done_at) - now_ms) / SECOND_MS
        pace.late_share = round((left_s - queued / pace.average_per_s) * pace.average_per_s / audience, 4)


def _mean(values: list[float]) -> float:
    return sum(values) / len(values) if values else 0.0
