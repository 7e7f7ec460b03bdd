"""What becomes of a message once its provider answered, or didn't."""

import asyncio
import logging
from collections.abc import Coroutine
from typing import Any, Literal

from flows.sending.control import Order
from flows.sending.decisions import Decision, Verdict, backoff_s, decide
from flows.sending.desk import Desk
from flows.sending.ledger import Doubt
from flows.sending.message import Message
from flows.sending.outgoing import Outcome, Reaction, Refused, Taken, Unknown
from flows.sending.records import accepted, in_doubt, letter, lost, rejected, settled
from flows.sending.runs import LOOKS_AFTER_S, Number, Run, Told, Way
from schemas.outbound import Settled

log = logging.getLogger(__name__)

_LOOKS = 5


class Settler:
    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._tasks: set[asyncio.Task[None]] = set()

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
            self.hold(run, message)

    def hold(self, run: Run, message: Message) -> None:
        """Leave a doubt to webhooks, and to a person, unless they decided it."""
        if self.known(run, message):
            return
        outgoing = message.outgoing
        assert outgoing is not None
        run.repeating.discard(message.seq)
        channel = run.ways[message.route].route.channel
        run.doubts[message.seq] = Doubt(message.seq, message.attempt, outgoing.sent_at, channel, outgoing.sender)
        self._desk.settle(run, message)

    def _unknown(self, run: Run, way: Way, message: Message, unknown: Unknown, now: float) -> None:
        run.counts.errors[unknown.why.partition(":")[0][:60]] += 1
        self._desk.note(in_doubt(run, way, message, self._desk.now_ms()))
        self.doubt(run, way, message, now)

    def doubt(self, run: Run, way: Way, message: Message, now: float) -> None:
        """Ask the provider where it can tell; else hand over again under the same key, or leave it to a person."""
        if self.known(run, message):
            return
        if way.kind.can_look_up(way.route.connection):
            run.looking_up += 1
            self._spawn(self._look_up(run, way, message))
        else:
            self._unresolved(run, message, now)

    def known(self, run: Run, message: Message) -> bool:
        """Whether a status or a person told what became of this attempt; then it is settled, or goes on as the next."""
        match run.told_of(message):
            case "sent":
                self._proven(run, message)
            case "lost":
                self._lost(run, message)
            case None:
                return False
        return True

    def _proven(self, run: Run, message: Message, identity: str | None = None) -> None:
        run.counts.sent += 1
        run.counts.settled_sent += 1
        run.repeating.discard(message.seq)
        self._desk.note(settled(run, run.ways[message.route], message, "sent", self._desk.now_ms(), identity))
        self._desk.settle(run, message)

    def _lost(self, run: Run, message: Message) -> None:
        run.counts.settled_lost += 1
        run.repeating.discard(message.seq)
        message.attempt, message.repeats = message.attempt + 1, 0
        run.put_off(message, self._desk.now())

    def hear(self, run: Run, reports: list[tuple[int, int]]) -> None:
        """Statuses of (message, attempt) came in: the provider has them."""
        for seq, attempt in reports:
            doubt = run.doubts.get(seq)
            if doubt is not None and doubt.attempt == attempt:
                self._resolve(run, doubt, "sent")
            else:
                run.tell(seq, attempt, "sent")

    def decide(self, run: Run, seq: int, attempt: int, outcome: Told) -> bool:
        """A person settled a doubt, or had a dead letter replayed: whether the message is to be sent again."""
        doubt = run.doubts.get(seq)
        if doubt is not None and doubt.attempt == attempt:
            del run.doubts[seq]
            if outcome == "sent":
                run.counts.sent += 1
                run.counts.settled_sent += 1
                return False
            run.counts.settled_lost += 1
        elif outcome == "sent" or run.given_up.get(seq) != attempt:
            run.tell(seq, attempt, outcome)  # early, or of our own hand
            return False
        run.given_up.pop(seq, None)
        run.reopened[seq] = attempt + 1
        return True

    def _resolve(self, run: Run, doubt: Doubt, outcome: Literal["sent", "lost"]) -> None:
        del run.doubts[doubt.seq]
        run.counts.sent += 1
        run.counts.settled_sent += 1
        self._desk.note(
            Settled(
                at=self._desk.now_ms(),
                campaign_id=run.id,
                message_key=doubt.seq,
                attempt=doubt.attempt,
                outcome=outcome,
                sent_at=doubt.sent_at or None,
            )
        )

    def _unresolved(self, run: Run, message: Message, now: float) -> None:
        outgoing, policy = message.outgoing, run.policies[message.route]
        assert outgoing is not None
        if run.campaign.in_doubt == "resend" and message.tries < policy.attempts:
            message.repeats = outgoing.sent_at
            run.repeating.add(message.seq)
            run.counts.repeated += 1
            wait_s = backoff_s(max(message.tries, 1), policy.first_wait_s, policy.longest_wait_s, self._desk.chance())
            run.put_off(message, now + wait_s)
            return
        self.hold(run, message)

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        assert self._desk.loop is not None
        task = self._desk.loop.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _look_up(self, run: Run, way: Way, message: Message) -> None:
        found = await self._found(run, way, message)
        run.looking_up -= 1
        if isinstance(found, Taken):
            self._proven(run, message, found.provider_message_id)
        elif found is not None:
            self._desk.note(lost(run, way, message, self._desk.now_ms()))
            self._lost(run, message)
        elif not self.known(run, message):
            self._unresolved(run, message, self._desk.now())

    async def _found(self, run: Run, way: Way, message: Message) -> Taken | Refused | None:
        """What the provider says of it, if it is asked in the end."""
        assert message.outgoing is not None
        for look in range(_LOOKS):
            await asyncio.sleep(LOOKS_AFTER_S * 2**look)
            if run.told_of(message):
                break
            try:
                found = await way.connector.look_up(message.outgoing)
            except Exception:  # a bug in one connector leaves one message in doubt
                log.exception("%s: look-up", way.reported)
                continue
            if found is not None:
                return found
        return None
