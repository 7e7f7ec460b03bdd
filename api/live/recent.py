"""The last 15 minutes: readings of the pulse as rates, by provider and together."""

from itertools import groupby
from operator import itemgetter
from typing import Any

import numpy as np
from pydantic import BaseModel, Field

from schemas.times import MINUTE_MS, SECOND_MS, ms_of

SPAN_MS = 15 * MINUTE_MS
STEP_MS = 5 * SECOND_MS
STRIP_MS = 30 * SECOND_MS
_GAP_MS = 30 * SECOND_MS
"""Readings further apart leave a gap in the line."""


class Recent(BaseModel):
    """Messages a second in each step that ends at `at` (s since the epoch); null: nobody looked."""

    step_s: int = Field(STEP_MS // SECOND_MS, examples=[5])
    at: list[int] = Field(examples=[[1_795_240_800, 1_795_240_805]])
    allowed: list[float | None] = Field(examples=[[1_307.2, None]])
    sent: list[float | None] = Field(examples=[[1_180.4, None]])
    delivered: list[float | None] = Field(examples=[[1_102.0, None]])
    failed: list[float | None] = Field(examples=[[31.2, None]])
    events: list["RecentEvent"]


class RecentEvent(BaseModel):
    """What happened, to be marked."""

    at: int = Field(examples=[1_795_240_800])
    what: str = Field(examples=["limit 3,500 → 4,000"])


class RecentProvider(BaseModel):
    """One provider: rates a step, the share of each half minute that failed, and the last minute's success."""

    provider: str
    sent: list[float | None]
    failed_share: list[float | None] = Field(description="Of what was decided in each half minute")
    per_s: float = Field(description="Sent, over the last minute")
    success: float | None = Field(description="Delivered, of what was decided in the last minute")
    decided: int = Field(description="Delivered or failed in the last minute")


Readings = dict[int, dict[str, Any]]
"""Of one provider in one campaign, by end of the step in ms."""


def by_provider(rows: list[dict[str, Any]]) -> dict[str, Readings]:
    """Of one campaign."""
    found: dict[str, Readings] = {}
    for row in rows:
        found.setdefault(row["provider"], {})[ms_of(row["step"])] = row
    return found


def of_all_campaigns(rows: list[dict[str, Any]]) -> dict[str, list[Readings]]:
    """By provider, of each campaign apart; `rows` in the order of campaigns."""
    found: dict[str, list[Readings]] = {}
    for _, told in groupby(rows, key=itemgetter("campaign_id")):
        for provider, readings in by_provider(list(told)).items():
            found.setdefault(provider, []).append(readings)
    return found


def steps_until(now_ms: int, step_ms: int = STEP_MS) -> list[int]:
    last = now_ms // step_ms * step_ms
    return list(range(last - SPAN_MS, last, step_ms))


def rates(readings: Readings, name: str, steps: list[int]) -> list[float | None]:
    """Growth a second up to each step. Readings come when they can: between two that are near, growth is even.

    Never below 0, as a failure is taken back by a later delivery.
    """
    if not readings:
        return [None] * len(steps)
    times = np.array(sorted(readings), dtype=float)
    figures = np.array([int(readings[int(at)][name]) for at in times], dtype=float)
    ends = np.array(steps, dtype=float)
    grown = np.interp(ends, times, figures) - np.interp(ends - STEP_MS, times, figures)
    after = np.searchsorted(times, ends)
    inside = (ends - STEP_MS >= times[0]) & (ends <= times[-1])
    near = np.diff(times, append=np.inf)[np.clip(after - 1, 0, len(times) - 1)] <= _GAP_MS
    known = inside & (near | np.isin(ends, times))
    return [
        round(max(0.0, float(growth)) * SECOND_MS / STEP_MS, 1) if is_known else None
        for growth, is_known in zip(grown, known, strict=True)
    ]


def rates_together(campaigns: list[Readings], name: str, steps: list[int]) -> list[float | None]:
    """Growth a second of each, added. Counters can't be: campaigns are read one after another, so a step may lack some.

    Null behind the last step that all were read in, where a campaign that awaits its turn would seem to stand still.
    """
    lasts = [max(readings) for readings in campaigns if readings]
    until = min((last for last in lasts if max(lasts) - last <= _GAP_MS), default=0)
    told = [rates(readings, name, steps) for readings in campaigns]
    return [_added([line[place] for line in told]) if step <= until else None for place, step in enumerate(steps)]


def _added(rates: list[float | None]) -> float | None:
    known = [rate for rate in rates if rate is not None]
    return round(sum(known), 1) if known else None


def recent_of(readings: Readings, seconds: list[dict[str, Any]], now_ms: int) -> Recent:
    steps = steps_until(now_ms)
    allowed, events = _sender(seconds, steps)
    return Recent(
        at=[step // SECOND_MS for step in steps],
        allowed=allowed,
        sent=rates(readings, "sent", steps),
        delivered=rates(readings, "delivered", steps),
        failed=rates(readings, "failed", steps),
        events=events,
    )


def recent_provider(provider: str, campaigns: list[Readings], now_ms: int) -> RecentProvider:
    """Over the last minute of readings, and by half minutes; of several campaigns each one's growth, added."""
    last = max((at for readings in campaigns for at in readings), default=0)
    minute = range(last - MINUTE_MS, last + 1)
    delivered, failed, sent = (growth(campaigns, name, minute) for name in ("delivered", "failed", "sent"))
    return RecentProvider(
        provider=provider,
        sent=rates_together(campaigns, "sent", steps_until(now_ms)),
        failed_share=[
            _failed_share(campaigns, range(start - STEP_MS, start + STRIP_MS))
            for start in range(now_ms // STRIP_MS * STRIP_MS - SPAN_MS, now_ms, STRIP_MS)
        ],
        per_s=round(sent * SECOND_MS / MINUTE_MS, 1),
        success=round(delivered / (delivered + failed), 4) if delivered + failed else None,
        decided=delivered + failed,
    )


def growth(campaigns: list[Readings], name: str, span: range) -> int:
    """Within `span` (ms), from each campaign's first reading in it to the last; never below 0."""
    inside = [[at for at in readings if at in span] for readings in campaigns]
    return sum(
        max(0, int(readings[max(times)][name]) - int(readings[min(times)][name]))
        for readings, times in zip(campaigns, inside, strict=True)
        if times
    )


def _failed_share(campaigns: list[Readings], span: range) -> float | None:
    failed, delivered = (growth(campaigns, name, span) for name in ("failed", "delivered"))
    return round(failed / (failed + delivered), 4) if failed + delivered else None


def _sender(seconds: list[dict[str, Any]], steps: list[int]) -> tuple[list[float | None], list[RecentEvent]]:
    """What the sender was allowed in each step, and the moments at which that or its reason to be slower changed."""
    allowed: dict[int, float] = {}
    events: list[RecentEvent] = []
    before: dict[str, Any] | None = None
    for row in seconds:
        at_ms = ms_of(row["at"])
        allowed[at_ms // STEP_MS * STEP_MS] = row["allowed_per_s"]
        if before and (what := _change(before, row)) and at_ms >= steps[0]:
            events.append(RecentEvent(at=at_ms // SECOND_MS, what=what))
        before = row
    return [allowed.get(step) for step in steps], events[-6:]


_NOTED = ("paused", "killed", "cancelled", "breaker open", "told to wait", "throttled")
"""Causes that are marked. Others, as a busy machine, come and go each few seconds and would crowd these out."""


def _change(before: dict[str, Any], now: dict[str, Any]) -> str | None:
    if before["allowed_per_s"] != now["allowed_per_s"]:
        return f"limit {before['allowed_per_s']:,.0f} → {now['allowed_per_s']:,.0f}"
    stopped, stops = (_noted(row["slower_because"]) for row in (before, now))
    if stopped == stops:
        return None
    return stops or "goes on"


def _noted(slower_because: str) -> str:
    """In words; empty for what is not marked."""
    return reason_in_words(slower_because) if slower_because.partition(": ")[0] in _NOTED else ""


_REASONS = {
    "provider": "provider answers slowly",
    "provider_answers": "provider answers slowly",
    "rate_limited": "provider said “too many requests”",
    "told to wait": "provider said “too many requests”",
    "throttled": "provider said “too many requests”",
    "breaker": "a route is broken off",
    "breaker open": "a route is broken off",
    "limit": "at its limit",
    "limiter": "at its limit",
    "cpu": "this machine is busy",
    "ledger": "the topics take long to write",
    "producer": "the audience is read too slowly",
    "priority": "more urgent campaigns go first",
    "quiet_hours": "quiet hours",
}


def reason_in_words(slower_because: str) -> str:
    """Of the sender's words; what is behind a colon says more where the first is none of ours, as with "paused"."""
    return _REASONS.get(slower_because.partition(": ")[0], slower_because.replace("_", " "))


def known_reason(slower_because: str) -> str:
    """The same where the words are ours; "" for what a sender or an operator wrote."""
    return _REASONS.get(slower_because.partition(": ")[0], "")
