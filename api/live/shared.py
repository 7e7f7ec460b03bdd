"""What whoever has a share link sees of a campaign: its own figures, and nothing of who runs it.

Left out: other campaigns' names, prices and costs, what operators wrote (why it is paused, why it is slow), what they
are told to do, and rows that checks found wrong. Each is named here by what is kept, so that what is added to a
snapshot stays inside until somebody adds it here.
"""

from typing import Any

from api.live.pace import Pace
from api.live.recent import Recent, RecentEvent, known_reason
from api.live.snapshot import Exactness, Snapshot
from api.live.verdict import Verdict
from api.reports.comparison import Comparison
from api.reports.plan import Plan

_PLAN = ("campaign_id", "name", "channel", "audience", "frozen_at", "limit_per_s", "sla_p95_ms")
_VERDICT = ("state", "word", "sentence", "done_at")
_PACE = (
    "phase", "allowed_per_s", "achieved_per_s", "average_per_s", "queue", "in_flight",
    "started_at", "last_at", "done_at", "done_from", "done_to", "late_share",
)  # fmt: skip
_RECENT = ("step_s", "at", "allowed", "sent", "delivered", "failed")
_EXACTNESS = ("exact", "checked_at", "seconds", "note")


def shared(whole: Snapshot) -> Snapshot:
    return Snapshot(
        id=whole.id,
        freshness=whole.freshness,
        plan=Plan(**_kept(whole.plan, _PLAN)),
        verdict=Verdict(**_kept(whole.verdict, _VERDICT)),
        pace=Pace(**_kept(whole.pace, _PACE), why=known_reason(whole.pace.slower_because)),
        funnel=whole.funnel,
        rates=whole.rates,
        attempts=whole.attempts,
        accounting=whole.accounting,
        queued=whole.queued,
        latency=whole.latency,
        recent=Recent(**_kept(whole.recent, _RECENT), events=[_event(event) for event in whole.recent.events]),
        providers=whole.providers,
        all_providers=whole.all_providers,
        failures=whole.failures,
        comparison=Comparison(earlier=[], usual=whole.comparison.usual),
        cost=None,
        heatmap=whole.heatmap,
        exactness=Exactness(**_kept(whole.exactness, _EXACTNESS), wrong=[]),
        counted_at=whole.counted_at,
    )


def _kept(model: object, names: tuple[str, ...]) -> dict[str, Any]:
    return {name: getattr(model, name) for name in names}


def _event(event: RecentEvent) -> RecentEvent:
    """Behind a colon stands what an operator said with an order."""
    return RecentEvent(at=event.at, what=event.what.partition(": ")[0])
