"""Lines of the operations page from rows of the database: pure functions."""

from typing import Any

import numpy as np

from api.live.ops_cost import Spent
from api.live.ops_snapshot import DeadLetterLine, InsertTimes, LaneNow, ProviderNowLine
from api.live.recent import SPAN_MS, Readings, growth, recent_provider, steps_until
from api.live.verdict import is_weak
from flows.triage import advice
from schemas.times import SECOND_MS, ms_of

_USUAL_STEPS = 36
"""Three minutes of 5 s: what is usual for a rate."""


def unusual(per_s: list[float | None]) -> list[int]:
    """Places where a rate leaves its usual range for the first time: further from the median of the three minutes
    before than six median deviations, and than a tenth of it (Hampel's identifier)."""
    found: list[int] = []
    for place in range(_USUAL_STEPS // 2, len(per_s)):
        before = [value for value in per_s[max(0, place - _USUAL_STEPS) : place] if value is not None]
        value = per_s[place]
        if value is None or len(before) < _USUAL_STEPS // 2:
            continue
        median = float(np.median(before))
        spread = max(6 * 1.4826 * float(np.median(np.abs(np.array(before) - median))), 0.1 * median, 5.0)
        if abs(value - median) > spread and not (found and place - found[-1] < _USUAL_STEPS // 2):
            found.append(place)
    return found


def lane_now(row: dict[str, Any], series: list[dict[str, Any]], now_ms: int) -> LaneNow:
    by_step = {
        ms_of(told["step"]): told["lag_ms"]
        for told in series
        if (told["flow"], told["lane"]) == (row["flow"], row["lane"])
    }
    return LaneNow(
        flow=row["flow"],
        lane=row["lane"],
        lag=row["lag"],
        lag_ms=row["lag_ms"],
        events_per_s=round(row["events"] / 60, 1),
        batch_age_ms=row["batch_age_ms"],
        retries=row["retries"],
        lag_ms_series=[by_step.get(step) for step in steps_until(now_ms)],
    )


def insert_times(series: list[dict[str, Any]], now_ms: int) -> InsertTimes:
    totals: dict[int, tuple[int, float, float]] = {}
    for row in series:
        if row["flow"] == "status" and row["batches"]:
            batches, spent, slowest = totals.get(ms_of(row["step"]), (0, 0.0, 0.0))
            totals[ms_of(row["step"])] = (
                batches + row["batches"], spent + row["insert_ms"], max(slowest, row["slowest_insert_ms"]),
            )  # fmt: skip
    found = [totals.get(step) for step in steps_until(now_ms)]
    return InsertTimes(
        mean_ms=[round(total[1] / total[0], 1) if total else None for total in found],
        slowest_ms=[round(total[2], 1) if total else None for total in found],
    )


def provider_line(
    name: str, channel: str, campaigns: list[Readings], repeats: int, spent: Spent | None, now_ms: int
) -> ProviderNowLine:
    recent = recent_provider(name, campaigns, now_ms)
    reported = growth(campaigns, "reported", range(now_ms + 1))
    return ProviderNowLine(
        provider=name,
        channel=channel,
        state="alert" if is_weak(recent.success, recent.decided) else "steady" if recent.decided else "quiet",
        success=recent.success,
        success_series=[None if share is None else round(1 - share, 4) for share in recent.failed_share],
        repeats=repeats,
        repeat_rate=round(repeats / (repeats + reported), 4) if repeats + reported else None,
        per_s=recent.per_s,
        cost=round(spent.cost, 4) if spent else None,
        cost_per_message=spent.each if spent else None,
    )


_STILL_SENDS_MS = 15 * SECOND_MS


def allowed_together(limits: list[dict[str, Any]], now_ms: int) -> list[float | None]:
    """By step, of all senders; `limits`: rows of the query of that name."""
    found: dict[int, float] = {}
    for row in limits:
        found[ms_of(row["step"])] = found.get(ms_of(row["step"]), 0.0) + row["allowed_per_s"]
    return [found.get(step) for step in steps_until(now_ms)]


def allowed_now(limits: list[dict[str, Any]], now_ms: int) -> dict[str, float]:
    """By channel, where a sender told of itself lately."""
    lately = [row for row in limits if ms_of(row["step"]) >= now_ms - _STILL_SENDS_MS]
    return {row["channel"]: row["allowed_per_s"] for row in lately}


def letters_line(row: dict[str, Any], now_ms: int) -> DeadLetterLine:
    trend = [0] * 30
    for at_ms, letters in row["moments"]:
        place = int((at_ms - (now_ms - SPAN_MS)) // (30 * SECOND_MS))
        if 0 <= place < len(trend):
            trend[place] += letters
    return DeadLetterLine(
        flow=row["flow"],
        reason=row["reason"],
        letters=row["letters"],
        first_at=row["first_at"],
        last_at=row["last_at"],
        trend=trend,
        next_step=advice(row["reason"]).do,
    )
