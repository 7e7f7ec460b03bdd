"""What becomes of an attempt of which nobody knows whether the provider has it: until then it is in doubt.

told meanwhile? ─▶ looked up, where the provider can tell ─▶ handed over again under the same key, or held
"""

import asyncio
import logging
from collections.abc import Coroutine
from typing import Any

from flows.sending.decisions import backoff_s
from flows.sending.desk import Desk
from flows.sending.ledger import Doubt
from flows.sending.message import Message
from flows.sending.outgoing import Refused, Taken
from flows.sending.records import lost, settled
from flows.sending.runs import LOOKS_AFTER_S, Run, Told, Way
from schemas.outbound import Settled

log = logging.getLogger(__name__)

_LOOKS = 5


class Resolver:
    """Used in the dispatcher's loop."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._tasks: set[asyncio.Task[None]] = set()

    def see_to(self, run: Run, message: Message, now: float) -> None:
        """Ask the provider where it can tell; else hand over again under the same key, or leave it to a person."""
        if self.known(run, message):
            return
        way = run.ways[message.route]
        if way.kind.can_look_up(way.route.connection):
            run.looking_up += 1
            self._spawn(self._look_up(run, way, message))
        else:
            self._unresolved(run, message, now)

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
                self._resolve(run, doubt)
            else:
                run.tell(seq, attempt, "sent")

    def obey(self, run: Run, seq: int, attempt: int, outcome: Told) -> bool:
        """A person settled an attempt, or had a dead letter replayed: whether the message is to be sent again."""
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

    def _resolve(self, run: Run, doubt: Doubt) -> None:
        del run.doubts[doubt.seq]
        run.counts.sent += 1
        run.counts.settled_sent += 1
        record = Settled(
            at=self._desk.now_ms(),
            campaign_id=run.id,
            message_key=doubt.seq,
            attempt=doubt.attempt,
            outcome="sent",
            sent_at=doubt.sent_at or None,
        )
        self._desk.note(record)
