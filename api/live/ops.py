"""The operations page: do the flows keep up, and do the providers?"""

import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import numpy as np
from pydantic import AwareDatetime, BaseModel, Field

from api.context import Context
from api.live.exactness import read_exactness
from api.live.recent import SPAN_MS, STEP_MS, Readings, by_provider, rates, recent_provider, steps_until
from api.live.snapshot import Exactness, Freshness
from api.live.verdict import STEADY_SUCCESS, State
from api.reports.cost import read_cost
from api.reports.plan import read_plan
from flows.triage import advice
from schemas.times import DAY_MS, MINUTE_MS, SECOND_MS

_BEHIND_MS = 10 * SECOND_MS
_SILENT_MS = 15 * SECOND_MS
_ENOUGH = 20
_CHANNELS_EVERY_S = 300.0
_COST_EVERY_S = 60.0
_MOST_COSTED = 5
_USUAL_STEPS = 36
"""Three minutes of 5 s: what is usual for a rate."""


class OpsVerdict(BaseModel):
    state: State
    word: str
    sentence: str
    more: str


class LaneNow(BaseModel):
    """A lane of a flow: `lag` in messages (Kafka) or bytes (files)."""

    flow: str
    lane: str
    lag: int
    lag_ms: int
    events_per_s: float
    batch_age_ms: int
    retries: int
    lag_ms_series: list[int | None] = Field(description="Each 5 s of the last 15 minutes")


class InsertTimes(BaseModel):
    """Milliseconds an insert, over all lanes, each 5 s of the last 15 minutes."""

    mean_ms: list[float | None]
    slowest_ms: list[float | None]


class ChannelRate(BaseModel):
    """Messages a second; `unusual`: places in it that left the range of the three minutes before."""

    channel: str
    per_s: list[float | None]
    unusual: list[int]


class ProviderNowLine(BaseModel):
    provider: str
    channel: str
    state: str = Field(examples=["steady"])
    success: float | None
    success_series: list[float | None] = Field(description="Each half minute of the last 15 minutes")
    repeats: int = Field(description="Reports told again in the last 15 minutes")
    repeat_rate: float | None = Field(description="Of all its reports")
    per_s: float


class DeadLetterLine(BaseModel):
    flow: str
    reason: str
    letters: int = Field(description="In the last day")
    first_at: AwareDatetime
    last_at: AwareDatetime
    trend: list[int] = Field(description="Each half minute of the last 15 minutes")
    next_step: str


class LiveFigures(BaseModel):
    """How the live page itself does: `built` snapshots of a topic, whatever its number of `viewers`."""

    topic: str
    viewers: int
    built: int
    dropped: int
    built_ms: float


class OpsSnapshot(BaseModel):
    id: int
    freshness: Freshness
    verdict: OpsVerdict
    events_per_s: float
    campaigns_running: int
    at: list[int] = Field(description="Ends of the steps, s since the epoch")
    lanes: list[LaneNow]
    inserts: InsertTimes
    channels: list[ChannelRate]
    providers: list[ProviderNowLine]
    dead_letters: list[DeadLetterLine]
    unmatched: int
    unmatched_since: AwareDatetime | None
    repeats_dropped: int = Field(description="In the last 15 minutes")
    events_15min: int
    cost_per_message: float | None = Field(
        description="Mean of the campaigns with a price list that gave a sign of life today"
    )
    exactness: Exactness
    live: list[LiveFigures]


class OpsWatcher:
    def __init__(self, context: Context, figures: Callable[[], dict[str, tuple[int, int, int, float]]]) -> None:
        self._context = context
        self._figures = figures
        self._channels: dict[str, str] = {}
        self._channels_at = -_CHANNELS_EVERY_S
        self._cost: float | None = None
        self._cost_at = -_COST_EVERY_S

    def snapshot(self) -> OpsSnapshot:
        context, now_ms = self._context, self._context.clock()
        since = now_ms - SPAN_MS - MINUTE_MS
        series = context.rows("flows_series", since=since, step_ms=STEP_MS)
        now = context.rows("flows_now", since=now_ms - MINUTE_MS)
        quarter = context.rows("flows_now", since=since)
        readings = by_provider(context.rows("pulse_providers", since=since, step_ms=STEP_MS))
        waiting = context.rows("unmatched_age")[0]
        lanes = [_lane(row, series, now_ms) for row in now]
        providers = self._providers(readings, context.rows("repeats", since=since), now_ms)
        exactness = read_exactness(context)
        flows_at = max((row["last_at"] for row in now), default=None)
        return OpsSnapshot(
            id=now_ms,
            freshness=Freshness(
                data_at=datetime.fromtimestamp(now_ms / 1000, UTC),
                flows_at=flows_at,
                lag_ms=max((lane.lag_ms for lane in lanes), default=None),
            ),
            verdict=judge_operations(lanes, providers, exactness, flows_at, now_ms),
            events_per_s=sum(lane.events_per_s for lane in lanes if lane.flow == "status"),
            campaigns_running=len(context.rows("campaign_activity", since=now_ms - MINUTE_MS)),
            at=[step // SECOND_MS for step in steps_until(now_ms)],
            lanes=lanes,
            inserts=_inserts(series, now_ms),
            channels=self._rates(readings, now_ms),
            providers=providers,
            dead_letters=[_letters(row, now_ms) for row in context.rows("dead_letters", since=now_ms - DAY_MS)],
            unmatched=waiting["statuses"],
            unmatched_since=waiting["oldest_at"],
            repeats_dropped=sum(row["dropped"] for row in quarter),
            events_15min=sum(row["events"] for row in quarter if row["flow"] == "status"),
            cost_per_message=self._cost_per_message(now_ms),
            exactness=exactness,
            live=[
                LiveFigures(topic=topic, viewers=viewers, built=built, dropped=dropped, built_ms=round(built_ms, 1))
                for topic, (viewers, built, dropped, built_ms) in self._figures().items()
            ],
        )

    def _cost_per_message(self, now_ms: int) -> float | None:
        if time.monotonic() - self._cost_at >= _COST_EVERY_S:
            active = self._context.rows("campaign_activity", since=now_ms - DAY_MS)[:_MOST_COSTED]
            costs = [_cost(self._context, row["campaign_id"]) for row in active]
            sent = sum(messages for _, messages in costs)
            self._cost = round(sum(total for total, _ in costs) / sent, 6) if sent else None
            self._cost_at = time.monotonic()
        return self._cost

    def _channel(self, provider: str) -> str:
        if time.monotonic() - self._channels_at >= _CHANNELS_EVERY_S or provider not in self._channels:
            rows = self._context.rows("provider_channels", since=self._context.clock() - DAY_MS)
            self._channels = {row["provider"]: row["channel"] for row in rows}
            self._channels.setdefault(provider, "")
            self._channels_at = time.monotonic()
        return self._channels[provider]

    def _providers(
        self, readings: dict[str, Readings], repeats: list[dict[str, Any]], now_ms: int
    ) -> list[ProviderNowLine]:
        told: dict[str, int] = {}
        for row in repeats:
            told[row["provider"]] = told.get(row["provider"], 0) + row["repeats"]
        return [
            _provider(name, self._channel(name), read, told.get(name, 0), now_ms)
            for name, read in sorted(readings.items())
        ]

    def _rates(self, readings: dict[str, Readings], now_ms: int) -> list[ChannelRate]:
        by_channel: dict[str, list[list[float | None]]] = {}
        for name, read in readings.items():
            by_channel.setdefault(self._channel(name) or name, []).append(rates(read, "sent", steps_until(now_ms)))
        added = {
            channel: [_added(parts) for parts in zip(*lists, strict=True)] for channel, lists in by_channel.items()
        }
        return [
            ChannelRate(channel=channel, per_s=per_s, unusual=unusual(per_s))
            for channel, per_s in sorted(added.items(), key=_busiest_first)
        ]


def judge_operations(
    lanes: list[LaneNow], providers: list[ProviderNowLine], exactness: Exactness, flows_at: datetime | None, now_ms: int
) -> OpsVerdict:
    """First match wins."""
    if exactness.wrong:
        return OpsVerdict(state="act", word="Act now.", sentence="The figures are not exact.", more=exactness.wrong[0])
    if flows_at is None:
        return OpsVerdict(
            state="ready", word="Quiet.", sentence="No flow has told of itself in the last minute.",
            more="Start them with python -m flows.route and python -m flows.status.",
        )  # fmt: skip
    if now_ms - flows_at.timestamp() * 1000 > _SILENT_MS:
        return OpsVerdict(
            state="act", word="Act now.", sentence="The flows fell silent.",
            more="Messaging ops: start flows.route and flows.status again; nothing is lost meanwhile.",
        )  # fmt: skip
    behind = [lane for lane in lanes if lane.lag_ms > _BEHIND_MS]
    weak = [line for line in providers if line.state == "alert"]
    if behind:
        names = ", ".join(f"{lane.flow} {lane.lane}" for lane in behind)
        return OpsVerdict(
            state="watch", word="Watch.", sentence=f"Behind by more than 10 s: {names}.",
            more="It catches up by itself; if the age grows, start another slice of the flow.",
        )  # fmt: skip
    if weak:
        return OpsVerdict(
            state="watch", word="Watch.", sentence=f"Tidemark keeps up; {weak[0].provider} does not.",
            more=f"Its success over the last minute is {100 * (weak[0].success or 0):.1f}%; the line is at 90%.",
        )  # fmt: skip
    return OpsVerdict(state="ok", word="All well.", sentence="Tidemark keeps up.", more="Nobody has to act.")


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


def _lane(row: dict[str, Any], series: list[dict[str, Any]], now_ms: int) -> LaneNow:
    by_step = {
        _ms(told["step"]): told["lag_ms"]
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


def _inserts(series: list[dict[str, Any]], now_ms: int) -> InsertTimes:
    totals: dict[int, tuple[int, float, float]] = {}
    for row in series:
        if row["flow"] == "status" and row["batches"]:
            batches, spent, slowest = totals.get(_ms(row["step"]), (0, 0.0, 0.0))
            totals[_ms(row["step"])] = (
                batches + row["batches"], spent + row["insert_ms"], max(slowest, row["slowest_insert_ms"]),
            )  # fmt: skip
    found = [totals.get(step) for step in steps_until(now_ms)]
    return InsertTimes(
        mean_ms=[round(total[1] / total[0], 1) if total else None for total in found],
        slowest_ms=[round(total[2], 1) if total else None for total in found],
    )


def _provider(name: str, channel: str, readings: Readings, repeats: int, now_ms: int) -> ProviderNowLine:
    recent = recent_provider(name, readings, now_ms)
    last, first = readings[max(readings)], readings[min(readings)]
    reported = max(0, int(last["reported"]) - int(first["reported"]))
    weak = recent.decided >= _ENOUGH and recent.success is not None and recent.success < STEADY_SUCCESS
    return ProviderNowLine(
        provider=name,
        channel=channel,
        state="alert" if weak else "steady" if recent.decided else "quiet",
        success=recent.success,
        success_series=[None if share is None else round(1 - share, 4) for share in recent.failed_share],
        repeats=repeats,
        repeat_rate=round(repeats / (repeats + reported), 4) if repeats + reported else None,
        per_s=recent.per_s,
    )


def _letters(row: dict[str, Any], now_ms: int) -> DeadLetterLine:
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


def _cost(context: Context, campaign_id: str) -> tuple[float, int]:
    """Cost, and the messages that have a price."""
    rows = context.rows("campaign", campaign_id=campaign_id)
    if not rows or not rows[0]["price_countries"]:
        return 0.0, 0
    cost = read_cost(context, read_plan(context, campaign_id))
    return cost.total, sum(line.messages for line in cost.countries if line.price is not None)


def _busiest_first(line: tuple[str, list[float | None]]) -> tuple[float, str]:
    return -sum(rate or 0 for rate in line[1]), line[0]


def _added(parts: tuple[float | None, ...]) -> float | None:
    told = [part for part in parts if part is not None]
    return round(sum(told), 1) if told else None


def _ms(at: datetime) -> int:
    return int(at.timestamp() * 1000)
