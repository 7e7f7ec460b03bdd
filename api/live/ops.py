"""The operations page: do the flows keep up, and do the providers?"""

import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from api.context import Context
from api.live.exactness import read_exactness
from api.live.ops_lines import insert_times, lane_now, letters_line, provider_line, unusual
from api.live.ops_snapshot import ChannelRate, LiveFigures, OpsSnapshot, ProviderNowLine
from api.live.ops_verdict import judge_operations
from api.live.recent import SPAN_MS, STEP_MS, Readings, by_provider, rates, steps_until
from api.live.snapshot import Freshness
from api.reports.cost import read_cost
from api.reports.plan import read_plan
from schemas.times import DAY_MS, MINUTE_MS, SECOND_MS

_CHANNELS_EVERY_S = 300.0
_COST_EVERY_S = 60.0
_MOST_COSTED = 5


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
            channels=self._rates(readings, now_ms),
            providers=providers,
            dead_letters=[letters_line(row, now_ms) for row in context.rows("dead_letters", since=now_ms - DAY_MS)],
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
            provider_line(name, self._channel(name), read, told.get(name, 0), now_ms)
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
