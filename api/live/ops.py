"""The operations page: do the flows keep up, and do the providers?"""

import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from api.context import Context
from api.live.exactness import read_exactness
from api.live.ops_cost import Costs
from api.live.ops_lines import (
    allowed_now,
    allowed_together,
    insert_times,
    lane_now,
    letters_line,
    provider_line,
    unusual,
)
from api.live.ops_marks import marks_of
from api.live.ops_snapshot import ChannelRate, LiveFigures, OpsSnapshot, ProviderNowLine
from api.live.ops_verdict import judge_operations
from api.live.recent import SPAN_MS, STEP_MS, Readings, of_all_campaigns, rates_together, steps_until
from api.live.snapshot import Freshness
from schemas.times import DAY_MS, MINUTE_MS, SECOND_MS

_CHANNELS_EVERY_S = 300.0


class OpsWatcher:
    """All campaigns and flows together. Called by the thread of the live topic and by requests' at once: what it keeps
    between is only replaced whole, and read twice at worst.
    """

    def __init__(self, context: Context, figures: Callable[[], dict[str, tuple[int, int, int, float]]]) -> None:
        self._context = context
        self._figures = figures
        self._channels: dict[str, str] = {}
        self._channels_at = -_CHANNELS_EVERY_S
        self._costs = Costs()

    def snapshot(self) -> OpsSnapshot:
        context, now_ms = self._context, self._context.clock()
        since = now_ms - SPAN_MS - MINUTE_MS
        series = context.rows("flows_series", since=since, step_ms=STEP_MS)
        now = context.rows("flows_now", since=now_ms - MINUTE_MS)
        quarter = context.rows("flows_now", since=since)
        readings = of_all_campaigns(context.rows("pulse_providers", since=since, step_ms=STEP_MS))
        limits = context.rows("limits", since=since, step_ms=STEP_MS)
        waiting = context.rows("unmatched_age")[0]
        self._costs.refresh(context, now_ms)
        lanes = [lane_now(row, series, now_ms) for row in now]
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
            inserts=insert_times(series, now_ms),
            channels=self._rates(readings, limits, now_ms),
            allowed=allowed_together(limits, now_ms),
            marks=marks_of(
                context.rows("sender_changes", since=since), context.rows("flow_changes", since=since, step_ms=STEP_MS)
            ),
            providers=providers,
            dead_letters=[letters_line(row, now_ms) for row in context.rows("dead_letters", since=now_ms - DAY_MS)],
            unmatched=waiting["statuses"],
            unmatched_since=waiting["oldest_at"],
            repeats_dropped=sum(row["dropped"] for row in quarter),
            events_15min=sum(row["events"] for row in quarter if row["flow"] == "status"),
            cost_per_message=self._costs.together.each,
            exactness=exactness,
            live=[
                LiveFigures(topic=topic, viewers=viewers, built=built, dropped=dropped, built_ms=round(built_ms, 1))
                for topic, (viewers, built, dropped, built_ms) in self._figures().items()
            ],
        )

    def _channel(self, provider: str) -> str:
        if time.monotonic() - self._channels_at >= _CHANNELS_EVERY_S or provider not in self._channels:
            rows = self._context.rows("provider_channels", since=self._context.clock() - DAY_MS)
            self._channels = {row["provider"]: row["channel"] for row in rows}
            self._channels.setdefault(provider, "")
            self._channels_at = time.monotonic()
        return self._channels.get(provider, "")

    def _providers(
        self, readings: dict[str, list[Readings]], repeats: list[dict[str, Any]], now_ms: int
    ) -> list[ProviderNowLine]:
        told: dict[str, int] = {}
        for row in repeats:
            told[row["provider"]] = told.get(row["provider"], 0) + row["repeats"]
        return [
            provider_line(name, self._channel(name), read, told.get(name, 0), self._costs.by_provider.get(name), now_ms)
            for name, read in sorted(readings.items())
        ]

    def _rates(
        self, readings: dict[str, list[Readings]], limits: list[dict[str, Any]], now_ms: int
    ) -> list[ChannelRate]:
        allowed = allowed_now(limits, now_ms)
        by_channel: dict[str, list[Readings]] = {}
        for name, campaigns in readings.items():
            by_channel.setdefault(self._channel(name) or name, []).extend(campaigns)
        added = {
            channel: rates_together(campaigns, "sent", steps_until(now_ms)) for channel, campaigns in by_channel.items()
        }
        return [
            ChannelRate(channel=channel, allowed_per_s=allowed.get(channel), per_s=per_s, unusual=unusual(per_s))
            for channel, per_s in sorted(added.items(), key=_busiest_first)
        ]


def _busiest_first(line: tuple[str, list[float | None]]) -> tuple[float, str]:
    return -sum(rate or 0 for rate in line[1]), line[0]
