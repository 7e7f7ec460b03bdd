"""Builds a campaign's snapshots: what moves is read each time, what hardly does each ten seconds.

each tick   stages ─ funnel · reasons ─ failures · progress ─ pace · pulse ─ last 15 minutes · flow_stats ─ lag
            totals ─ providers, of a large campaign as last read by the pulse
each 10 s   latency_sample ─ time to deliver · dispositions ─ accounting · splits ─ cost · pulse ─ reasons' trends · …
            of a large campaign as last counted, by `api.live.counted`
each 5 min  latency_sample of earlier campaigns ─ what is usual
"""

import threading
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from datetime import UTC, datetime
from typing import Any, TypeVar
from zoneinfo import ZoneInfo

from msgspec import Struct

from api.context import Context
from api.live.counted import QUESTIONS, read_counted
from api.live.exactness import read_exactness
from api.live.failure_lines import failure_line
from api.live.pace import Pace, last_word, pace_of, sent_last
from api.live.provider_lines import all_providers, provider_line
from api.live.recent import (
    SPAN_MS,
    STEP_MS,
    STRIP_MS,
    Readings,
    by_provider,
    recent_of,
    recent_provider,
)  # fmt: skip
from api.live.snapshot import Exactness, Freshness, ProviderLine, Snapshot
from api.live.verdict import USUAL_FAILING, Facts, ProviderNow, judge
from api.reports.accounting import Accounting, accounting_of
from api.reports.comparison import Comparison, Curve, compare, read_curves
from api.reports.cost import Cost, read_cost
from api.reports.failures import Failing, read_reasons
from api.reports.funnel import Attempts, Funnel, rates_of, read_funnel
from api.reports.latency import Latency, cells_of, latency_of
from api.reports.plan import Plan, read_plan
from api.reports.timeline import read_heatmap
from schemas.times import DAY_MS, MINUTE_MS, SECOND_MS, ms_of

SLOW_EVERY_S = 10.0
_CURVES_EVERY_S = 300.0
_STALE_FLOWS_MS = MINUTE_MS
_OLD_PULSE_MS = MINUTE_MS
Answer = TypeVar("Answer")


class Fast(Struct, frozen=True):
    """What a live tick reads."""

    at_ms: int
    funnel: Funnel
    failures: list[Failing]
    seconds: list[dict[str, Any]]
    readings: dict[str, Readings]
    flows: list[dict[str, Any]]


class Slow(Struct, frozen=True):
    """What hardly moves from one second to the next."""

    plan: Plan
    channels: list[dict[str, Any]]
    provider_latency: list[dict[str, Any]]
    latency: Latency
    accounting: Accounting
    attempts: Attempts
    cost: Cost
    minutes: list[dict[str, Any]]
    heatmap: list[list[int]] | None
    curves: list[Curve]
    exactness: Exactness
    ends: dict[str, Any] | None
    trends: list[dict[str, Any]]
    active_at_ms: int | None
    counted_at: datetime | None


class Watcher:
    """One campaign. Any thread may ask, of a live topic or of a request; one is answered at a time.

    Raises Refusal 404, WarehouseError.
    """

    def __init__(self, context: Context, campaign_id: str, pool: ThreadPoolExecutor) -> None:
        self._context = context
        self._campaign_id = campaign_id
        self._pool = pool
        self._slow: Slow | None = None
        self._slow_at = 0.0
        self._is_large = False
        self._curves: list[Curve] = []
        self._curves_at = -_CURVES_EVERY_S
        self._sla_missed_since: int | None = None
        self._guard = threading.Lock()

    def snapshot(self) -> Snapshot:
        """A tick: `Slow` is read anew when its time has come."""
        with self._guard:
            return self._take()

    def page(self) -> Snapshot:
        """The same with nothing kept but what earlier campaigns say."""
        with self._guard:
            self._slow = None
            return self._take()

    def _take(self) -> Snapshot:
        now = time.monotonic()
        due = self._slow is None or now - self._slow_at >= SLOW_EVERY_S
        slow_parts = self._ask_slow() if due else None
        providers = None if self._is_large else self._rows("providers")
        fast = self.fast()
        if slow_parts:
            self._slow, self._slow_at = slow_parts(), now
        assert self._slow is not None
        return self._compose(fast, self._slow, providers.result() if providers else None)

    def fast(self) -> Fast:
        """The questions of one live tick of a large campaign, together."""
        at_ms = self._context.clock()
        since = at_ms - SPAN_MS - MINUTE_MS
        funnel = self._go(read_funnel, self._context, self._campaign_id)
        failures = self._go(read_reasons, self._context, self._campaign_id)
        pulse = self._rows("pulse", since=since, step_ms=STEP_MS)
        seconds = self._rows("pace", since=since)
        flows = self._go(self._context.rows, "freshness", since=at_ms - _STALE_FLOWS_MS)
        return Fast(
            at_ms,
            funnel.result(),
            failures.result(),
            seconds.result(),
            by_provider(pulse.result()),
            flows.result(),
        )

    def _ask_slow(self) -> Callable[[], Slow]:
        """Asks; the answer waits for all."""
        context, name = self._context, self._campaign_id
        plan_told, counted = self._go(read_plan, context, name), read_counted(context, name)
        self._is_large = counted.at is not None
        asked = {
            question: self._rows(question, **parameters)
            for question, parameters in QUESTIONS.items()
            if question not in counted.answers
        }
        exactness, plan = self._go(read_exactness, context), plan_told.result()
        cost, active = self._go(read_cost, context, plan), self._go(sent_last, context, [name])
        ends = self._rows("pace_ends")
        trends = self._rows("reason_trends", since=context.clock() - SPAN_MS - MINUTE_MS, step_ms=STRIP_MS)

        def answers() -> Slow:
            told = counted.answers | {question: rows.result() for question, rows in asked.items()}
            return Slow(
                plan,
                told["channels"],
                told["provider_latency"],
                latency_of(cells_of(told["maturity"]), plan.sla_p95_ms, exact=False),
                accounting_of(told["accounting"], plan.audience),
                Attempts(**told["attempts"][0]),
                cost.result(),
                told["timeline_steps"],
                self._heatmap(told["timeline_steps"]),
                self._earlier(plan),
                exactness.result(),
                next(iter(ends.result()), None),
                trends.result(),
                active.result().get(name),
                counted.at,
            )

        return answers

    def _heatmap(self, minutes: list[dict[str, Any]]) -> list[list[int]] | None:
        if not minutes or (minutes[-1]["step"] - minutes[0]["step"]).total_seconds() * 1000 < DAY_MS:
            return None
        return read_heatmap(self._context, self._campaign_id, "read", ZoneInfo("UTC")).messages

    def _earlier(self, plan: Plan) -> list[Curve]:
        now = time.monotonic()
        if now - self._curves_at >= _CURVES_EVERY_S:
            self._curves, self._curves_at = read_curves(self._context, plan), now
        return self._curves

    def _rows(self, question: str, **parameters: Any) -> "Future[list[dict[str, Any]]]":
        return self._go(self._context.rows, question, campaign_id=self._campaign_id, **parameters)

    def _go(self, ask: Callable[..., Answer], *arguments: Any, **named: Any) -> "Future[Answer]":
        return self._pool.submit(ask, *arguments, **named)

    def _compose(self, fast: Fast, slow: Slow, asked: list[dict[str, Any]] | None) -> Snapshot:
        """`asked`: providers; None: as the pulse read them last."""
        queued = _queued(fast, slow)
        behind_ms = fast.flows[0]["lag_ms"] if fast.flows else 0
        pace = pace_of(
            fast.seconds, last_word(slow.ends, fast.seconds),
            sent=fast.funnel.sent, queued=queued, audience=slow.plan.audience or 0,
            now_ms=fast.at_ms, behind_ms=behind_ms, active_at_ms=slow.active_at_ms,
        )  # fmt: skip
        accepted = [(float(ms_of(row["step"])), row["messages"]) for row in slow.minutes if row["status"] == "accepted"]
        comparison = compare(slow.curves, accepted, fast.at_ms - behind_ms)
        read_at, rows = self._table(fast, asked)
        providers = [
            provider_line(
                row, fast.readings.get(row["provider"], {}), slow.channels, slow.provider_latency,
                is_running=pace.phase == "running", now_ms=fast.at_ms,
            )
            for row in rows
            if row["provider"]
        ]  # fmt: skip
        flows = fast.flows[0] if fast.flows else None
        return Snapshot(
            id=fast.at_ms,
            freshness=Freshness(
                data_at=datetime.fromtimestamp(fast.at_ms / 1000, UTC),
                flows_at=flows["flows_at"] if flows else None,
                lag_ms=flows["lag_ms"] if flows else None,
            ),
            plan=slow.plan,
            verdict=judge(self._facts(fast, slow, queued, pace, comparison, providers)),
            pace=pace,
            funnel=fast.funnel,
            rates=rates_of(fast.funnel),
            attempts=slow.attempts,
            accounting=slow.accounting,
            queued=queued,
            latency=slow.latency,
            recent=recent_of(fast.readings.get("", {}), fast.seconds, fast.at_ms),
            providers=providers,
            all_providers=all_providers(rows, read_at),
            failures=[failure_line(failure, slow.trends) for failure in fast.failures],
            comparison=comparison,
            cost=slow.cost,
            heatmap=slow.heatmap,
            exactness=slow.exactness,
            counted_at=slow.counted_at,
        )

    def _table(self, fast: Fast, asked: list[dict[str, Any]] | None) -> tuple[datetime | None, list[dict[str, Any]]]:
        """Providers and all together, as they were read at once, and when if that is not now.

        Anew where the pulse is old: its campaign gave no sign of life for hours, or this process just began.
        """
        if asked is not None:
            return None, asked
        last_ms = max(fast.readings.get("", [0]))
        if fast.at_ms - last_ms > _OLD_PULSE_MS:
            return None, self._context.rows("providers", campaign_id=self._campaign_id)
        last = [readings[last_ms] for readings in fast.readings.values() if last_ms in readings]
        return datetime.fromtimestamp(last_ms / 1000, UTC), sorted(
            last, key=lambda row: (-row["sent"], row["provider"])
        )

    def _facts(
        self,
        fast: Fast,
        slow: Slow,
        queued: int,
        pace: Pace,
        comparison: Comparison,
        providers: list[ProviderLine],
    ) -> Facts:
        rates = rates_of(fast.funnel)
        now = [ProviderNow(line.provider, line.success, _decided(fast, line.provider)) for line in providers]
        decided = sum(route.decided for route in now)
        failing = sum(route.decided * (1 - (route.success or 0)) for route in now) / decided if decided else None
        usual = next((usual.highest for usual in comparison.usual if usual.status == "failed"), 0.0)
        p95_ms = next((row.p95_ms for row in slow.latency.percentiles if row.status == "delivered"), None)
        audience = slow.accounting.audience
        screened = sum(line.messages for line in slow.accounting.lines if line.what.startswith("screened"))
        return Facts(
            pace=pace,
            audience=audience,
            sendable=None if audience is None else audience - screened,
            sent=fast.funnel.sent,
            delivered_share=rates.delivered,
            failed_share=rates.failed,
            read_share=rates.read,
            queued=queued,
            gap=slow.accounting.gap,
            wrong_checks=len(slow.exactness.wrong),
            failing_now=failing,
            usual_failing=max(usual, USUAL_FAILING),
            providers=now,
            p95_ms=p95_ms,
            sla_ms=slow.plan.sla_p95_ms,
            sla_missed_s=self._sla_missed_s(fast.at_ms, p95_ms, slow.plan.sla_p95_ms),
        )

    def _sla_missed_s(self, at_ms: int, p95_ms: int | None, sla_ms: int | None) -> float:
        if not (p95_ms and sla_ms and p95_ms > sla_ms):
            self._sla_missed_since = None
            return 0.0
        self._sla_missed_since = self._sla_missed_since or at_ms
        return (at_ms - self._sla_missed_since) / SECOND_MS


def _queued(fast: Fast, slow: Slow) -> int:
    """What was sent since the accounting was read, or counted, is queued no more."""
    since = fast.funnel.sent - slow.accounting.of("handed over")
    return max(0, slow.accounting.of("queued") - max(0, since))


def _decided(fast: Fast, provider: str) -> int:
    return recent_provider(provider, [fast.readings.get(provider, {})], fast.at_ms).decided
