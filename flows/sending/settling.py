"""What becomes of a message once its provider answered; where it didn't, see `resolving`."""

import logging

from flows.sending.control import Order
from flows.sending.decisions import Decision, Verdict, decide
from flows.sending.desk import Desk
from flows.sending.message import Message
from flows.sending.outgoing import Outcome, Reaction, Refused, Taken, Unknown
from flows.sending.records import accepted, in_doubt, letter, rejected
from flows.sending.resolving import Resolver
from flows.sending.runs import Number, Run, Way

log = logging.getLogger(__name__)


class Settler:
    def __init__(self, desk: Desk, resolver: Resolver) -> None:
        self._desk = desk
        self._resolver = resolver

    def answered(self, run: Run, way: Way, number: Number, message: Message, outcome: Outcome) -> None:
        now = self._desk.now()
        run.in_flight -= 1
        self._learn(run, way, number, outcome, now)
        policy, age_s = run.policies[message.route], (self._desk.now_ms() - message.first_at) / 1000
        decision = decide(outcome, message.tries, age_s, policy, self._desk.chance())
        match outcome, decision.verdict:
            case Taken(), _:
                self._taken(run, way, message, outcome)
            case Refused(), _:
                self._refused(run, way, message, outcome, decision, now)
            case Unknown(), _:
                self._unknown(run, way, message, outcome, now)

    def _learn(self, run: Run, way: Way, number: Number, outcome: Outcome, now: float) -> None:
        """What an answer says of the number and the provider."""
        refused = outcome if isinstance(outcome, Refused) else None
        number.breaker.answered(isinstance(outcome, Unknown) or (refused is not None and refused.ails), now)
        if refused is None:
            return
        run.counts.errors[refused.code] += 1
        if refused.reaction is Reaction.THROTTLED:
            number.own.throttled(now, refused.retry_after_s)
        elif refused.reaction is Reaction.STOP:
            self.pause(run, f"{way.reported} says {refused.code}: {refused.detail}")
        elif refused.reaction is Reaction.PAGE:
            self._page(way, refused)

    def pause(self, run: Run, why: str) -> None:
        if not run.paused:
            log.error("%s is paused: %s", run.id, why)
            run.paused = why
            self._desk.order(Order(at=self._desk.now_ms(), action="pause", campaign_id=run.id, why=why[:500]))

    def _page(self, way: Way, refused: Refused) -> None:
        provider = way.route.provider
        if self._desk.orders.kills(provider, ""):
            return
        why = f"{refused.code}: {refused.detail}"[:500]
        log.critical(
            "PAGE: %s refuses everything (%s); lift it with `flows.send lift --provider %s`", provider, why, provider
        )
        self._desk.order(Order(at=self._desk.now_ms(), action="kill", provider=provider, why=why))

    def _taken(self, run: Run, way: Way, message: Message, taken: Taken) -> None:
        run.counts.sent += 1
        run.repeating.discard(message.seq)
        self._desk.note(accepted(run, way, message, taken, self._desk.now_ms()))
        self._desk.settle(run, message)
        self._count(run, "")

    def _count(self, run: Run, code: str) -> None:
        if why := run.failures.add(code):
            run.failures.forget()
            self.pause(run, why)

    def _refused(self, run: Run, way: Way, message: Message, refused: Refused, decision: Decision, now: float) -> None:
        if refused.reaction is Reaction.SUPPRESS:
            to = message.other_to if message.route else message.to
            change = self._desk.suppressions.change(
                self._desk.now_ms(), "add", to, way.route.channel, f"{way.reported} {refused.code}"
            )
            self._desk.suppress(change)
        if message.repeats:
            self._refused_again(run, message, decision, now)
            return
        falls_back = decision.verdict is Verdict.FALL_BACK and bool(message.other_to)
        again = decision.verdict is Verdict.RETRY or falls_back or run.told_of(message) == "lost"
        self._desk.note(rejected(run, way, message, refused, final=not again, now_ms=self._desk.now_ms()))
        message.attempt += again
        if falls_back:
            message.route, message.tries = 1, 0
            run.counts.fell_back += 1
            run.ways[1].pending.append(message)
        elif again:
            run.counts.retried += 1
            if refused.reaction in (Reaction.STOP, Reaction.PAGE):
                message.tries -= 1
            run.put_off(message, now + decision.wait_s)
        else:
            run.counts.failed += 1
            run.given_up[message.seq] = message.attempt
            run.repeating.discard(message.seq)
            self._desk.letter(letter(message, run, refused, decision, self._desk.now_ms()))
            self._desk.settle(run, message)
        if refused.reaction not in (Reaction.THROTTLED, Reaction.STOP, Reaction.PAGE):
            self._count(run, refused.code)

    def _refused_again(self, run: Run, message: Message, decision: Decision, now: float) -> None:
        """The first time may have been taken: it is tried on under its own key only, and never called refused."""
        if decision.verdict is Verdict.RETRY:
            run.counts.repeated += 1
            run.put_off(message, now + decision.wait_s)
        else:
            self._resolver.hold(run, message)

    def _unknown(self, run: Run, way: Way, message: Message, unknown: Unknown, now: float) -> None:
        run.counts.errors[unknown.why.partition(":")[0][:60]] += 1
        self._desk.note(in_doubt(run, way, message, self._desk.now_ms()))
        self._resolver.see_to(run, message, now)
