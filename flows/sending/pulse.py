"""The sender's own second: what it was allowed, what it achieved, and what held it back."""

from typing import NamedTuple

from flows.sending.desk import Desk
from flows.sending.runs import Run
from schemas.outbound import Progress

NEARLY = 0.98


class Pulse(NamedTuple):
    """One second of one campaign."""

    at_ms: int
    total: int
    """Messages of this process's share."""
    settled: int
    sent: int
    failed: int
    screened: int
    doubts: int
    allowed_per_s: float | None
    achieved_per_s: float
    slower_because: str
    queue: int
    in_flight: int
    later: int

    def eta_s(self) -> float | None:
        """At the rate of now; None while nothing moves."""
        left = self.total - self.settled
        return left / self.achieved_per_s if self.achieved_per_s > 0 else None

    def record(self, campaign_id: str) -> Progress:
        return Progress(
            at=self.at_ms,
            campaign_id=campaign_id,
            allowed_per_s=self.allowed_per_s or 0.0,
            achieved_per_s=round(self.achieved_per_s, 1),
            slower_because=self.slower_because[:128],
            queue=self.queue,
            in_flight=self.in_flight,
        )


class PulseTaker:
    """Take one each second; `runs` are all that this process sends."""

    def __init__(self, desk: Desk, run: Run, runs: list[Run]) -> None:
        self._desk = desk
        self._run = run
        self._others = [other for other in runs if other is not run]
        self._handed = 0
        self._at = desk.now()

    def take(self) -> Pulse:
        run, now = self._run, self._desk.now()
        handed = run.counts.handed
        achieved = (handed - self._handed) / max(now - self._at, 0.001)
        self._handed, self._at = handed, now
        allowed = allowed_per_s(run)
        return Pulse(
            at_ms=self._desk.now_ms(),
            total=run.audience,
            settled=run.confirmed - run.again,
            sent=run.counts.sent,
            failed=run.counts.failed,
            screened=run.counts.screened.total(),
            doubts=len(run.doubts),
            allowed_per_s=allowed,
            achieved_per_s=achieved,
            slower_because="" if allowed and achieved >= NEARLY * allowed else self._why(now),
            queue=len(run.queue) + run.staged(),
            in_flight=run.in_flight,
            later=run.waiting(),
        )

    def _why(self, now: float) -> str:
        others_wait = any(other.queue and not other.paused for other in self._others)
        return slower_because(self._desk, self._run, now, others_wait=others_wait)


def allowed_per_s(run: Run) -> float | None:
    """What the limits on the first way let through together."""
    numbers = run.ways[0].numbers
    own = [number.own.effective() for number in numbers]
    wide = [limit.effective() for number in numbers for place, limit in enumerate(number.path) if place != 2]
    rates = [rate for rate in wide if rate is not None]
    if all(rate is not None for rate in own):
        rates.append(sum(rate or 0 for rate in own))
    return min(rates, default=None)


def slower_because(desk: Desk, run: Run, now: float, *, others_wait: bool) -> str:
    """The first that holds; while others wait they get their part of the limits."""
    way = run.ways[0]
    opens = run.campaign.window.opens
    killed = desk.orders.kills(way.route.provider, way.route.channel)
    reasons = (
        ("cancelled", run.cancelled),
        (f"paused: {run.paused}", bool(run.paused)),
        (f"killed: {killed}", bool(killed)),
        ("not open yet", opens is not None and desk.now_ms() < opens.timestamp() * 1000),
        ("breaker open", any(number.breaker.state != "closed" for number in way.numbers)),
        ("told to wait", any(now < number.own.blocked_until for number in way.numbers)),
        ("throttled", any(number.own.factor < 1 for number in way.numbers)),
        ("provider: all connections wait", run.in_flight >= run.campaign.concurrency),
        ("finished", run.exhausted and not run.open()),
        ("waiting for what comes later", not run.queue and not run.staged() and run.waiting() > 0),
        ("all handed over", run.exhausted and not run.queue),
        ("producer", not run.queue),
        ("ledger", run.staged() > 0 and not any(number.ready for number in way.numbers)),
        ("priority", others_wait),
    )
    return next((reason for reason, holds in reasons if holds), "cpu")
