"""What a sender process tells of itself while it runs: figures for Prometheus, and whether it is alive and ready.

What `progress` says is in the database, for the page and `sql.exporter`; these are the process's own, beside it.
"""

import time
from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from flows.sending.desk import Desk
from flows.sending.pulse import allowed_per_s
from flows.sending.runs import Run
from sql.telemetry.health import State, Verdict

NAMES = frozenset(
    f"tidemark_sender_{name}"
    for name in (
        "requests_total", "messages_total", "errors_total", "waiting", "allowed_per_second", "breaker", "limit_factor",
        "ledger_seconds",
    )
)  # fmt: skip
"""All that a sender exports."""
BREAKER = {"closed": 0, "half_open": 1, "open": 2}
SILENT_AFTER_S = 60.0
_BEHIND_BELOW = 0.5
_MOST_CODES = 50
_HELD = ("breaker open", "killed")
_AT_REST = ("cancelled", "paused", "not open yet", "finished", "all handed over", "waiting for what comes later")
"""Beginnings of what `slower_because` says where nothing is to be mended."""


class SenderCollector(Collector):
    """Reads what the dispatcher's thread writes: single numbers, each as it stands."""

    def __init__(self, desk: Desk, runs: Sequence[Run]) -> None:
        self._desk = desk
        self._runs = runs

    def collect(self) -> Iterator[Metric]:
        yield from self._counters()
        yield from self._of_campaigns()
        yield from self._of_limits()
        about = "How long the ledger took lately to make something durable, its slow moments above all"
        yield GaugeMetricFamily("tidemark_sender_ledger_seconds", about, self._desk.ledger_s)

    def _counters(self) -> Iterator[Metric]:
        requests = CounterMetricFamily("tidemark_sender_requests", "Requests to providers", labels=["campaign_id"])
        messages = CounterMetricFamily(
            "tidemark_sender_messages", "What became of messages", labels=["campaign_id", "outcome"]
        )
        errors = CounterMetricFamily(
            "tidemark_sender_errors", "Answers that were no yes, by code", labels=["campaign_id", "code"]
        )
        for run in self._runs:
            requests.add_metric([run.id], run.counts.handed)
            for outcome, count in _outcomes(run).items():
                messages.add_metric([run.id, outcome], count)
            for code, count in run.counts.errors.copy().most_common(_MOST_CODES):
                errors.add_metric([run.id, code], count)
        yield from (requests, messages, errors)

    def _of_campaigns(self) -> Iterator[Metric]:
        waiting = GaugeMetricFamily("tidemark_sender_waiting", "Messages, by where", labels=["campaign_id", "where"])
        allowed = GaugeMetricFamily(
            "tidemark_sender_allowed_per_second", "What all limits let through together", labels=["campaign_id"]
        )
        for run in self._runs:
            places = {"queue": len(run.queue) + run.staged(), "in_flight": run.in_flight, "later": run.waiting()}
            for where, count in (places | {"in_doubt": len(run.doubts)}).items():
                waiting.add_metric([run.id, where], count)
            if (rate := allowed_per_s(run)) is not None:
                allowed.add_metric([run.id], rate)
        yield from (waiting, allowed)

    def _of_limits(self) -> Iterator[Metric]:
        breaker = GaugeMetricFamily(
            "tidemark_sender_breaker", "Circuit breaker: 0 closed, 1 half open, 2 open", labels=["number"]
        )
        factor = GaugeMetricFamily(
            "tidemark_sender_limit_factor", "Share of a limit that providers leave of it", labels=["limit"]
        )
        for name, one in list(self._desk.breakers.items()):
            breaker.add_metric([name], BREAKER[one.state])
        for name, limit in list(self._desk.limits.items()):
            factor.add_metric([name], limit.factor)
        yield from (breaker, factor)


def _outcomes(run: Run) -> dict[str, int]:
    names = ("sent", "failed", "retried", "fell_back", "repeated", "settled_sent", "settled_lost")
    counts: dict[str, int] = {name: getattr(run.counts, name) for name in names}
    return counts | {"screened": run.counts.screened.total()}


class Pace(NamedTuple):
    """A campaign's last second."""

    campaign_id: str
    allowed_per_s: float | None
    achieved_per_s: float
    slower_because: str

    def held(self) -> bool:
        """By something that is down, or was shut."""
        return self.slower_because.startswith(_HELD)

    def late(self) -> bool:
        at_rest = not self.slower_because or self.slower_because.startswith(_AT_REST)
        return not at_rest and self.achieved_per_s < _BEHIND_BELOW * (self.allowed_per_s or 0)


def sender_verdict(failure: BaseException | None, broker: str, turned_s: float, paces: Sequence[Pace]) -> Verdict:
    """The worst that holds. `broker` says why it does not answer, `turned_s` when the dispatcher last did something."""
    if failure or broker:
        return Verdict(State.BROKEN, str(failure or broker))
    if not turned_s:
        return Verdict(State.STARTING)
    if (silent_s := time.monotonic() - turned_s) > SILENT_AFTER_S:
        return Verdict(State.SILENT, f"the dispatcher has not turned for {silent_s:.0f} s")
    if held := _named(pace for pace in paces if pace.held()):
        return Verdict(State.BROKEN, held)
    late = _named(pace for pace in paces if pace.late())
    return Verdict(State.BEHIND, late) if late else Verdict(State.READY)


def _named(paces: Iterable[Pace]) -> str:
    return "; ".join(f"{pace.campaign_id}: {pace.slower_because}" for pace in paces)
