"""From the queue to the starting line: screened once more, given a number, its intent made durable.

No message is handed over before its intent is in the ledger. So that this costs no time, intents are written ahead, for
twice as long as the ledger takes: after a kill -9 those few are in doubt too, though they never left.
"""

from flows.sending.desk import Desk
from flows.sending.message import Message
from flows.sending.outgoing import Outgoing
from flows.sending.quiet_hours import allowed_at
from flows.sending.records import lost
from flows.sending.resolving import Resolver
from flows.sending.runs import Number, Run, Way
from flows.sending.screening import Screen, rerender
from flows.sending.templates import Unrenderable
from schemas.outbound import Intent, Screened, ScreenReason

LEAST_AHEAD_S, MOST_AHEAD_S = 0.012, 0.03
MOST_AHEAD = 256
_MOST_SCREENED = 2_000
"""In one turn, so that a queue full of expired messages doesn't hold up the others."""


class Stager:
    def __init__(self, desk: Desk, screen: Screen, resolver: Resolver) -> None:
        self._desk = desk
        self._screen = screen
        self._resolver = resolver

    def stage(self, run: Run, now: float) -> None:
        """Fill up what stands ready behind each number of the campaign."""
        if run.cancelled:
            self._cancel(run)
            return
        if run.paused or not self._open(run):
            return
        for place, way in enumerate(run.ways):
            if self._desk.orders.kills(way.route.provider, way.route.channel):
                continue
            count = len(way.numbers)
            for turn in range(count):
                number = way.numbers[(run.turn + turn) % count]
                self._fill(run, place, way, number, now)
        run.turn += 1

    def _fill(self, run: Run, place: int, way: Way, number: Number, now: float) -> None:
        probes = number.breaker.room(now)
        if probes == 0 and number.breaker.state == "open":
            self._clear(run, way, number)
            return
        ahead_s = min(max(2 * self._desk.ledger_s, LEAST_AHEAD_S), MOST_AHEAD_S)
        want = _ahead(number, ahead_s) if probes is None else probes
        # In batches: a turn of the loop for each few messages cost as much as sending them.
        if number.staged <= want // 2 and now >= number.own.blocked_until:
            self._stage(run, place, way, number, want - number.staged, now)

    def _clear(self, run: Run, way: Way, number: Number) -> None:
        """What stands ready behind a number waits again, in its order, for any number that may take it."""
        free: list[Message] = []
        while number.ready:
            message = self._take_back(run, way, number)
            message.tries -= 1
            if not message.repeats:
                message.attempt += 1
            (free if _may_divert(message) else way.pending).append(message)
        run.queue.extendleft(reversed(free))

    def _open(self, run: Run) -> bool:
        opens = run.campaign.window.opens
        return opens is None or self._desk.now_ms() >= opens.timestamp() * 1000

    def _stage(self, run: Run, place: int, way: Way, number: Number, want: int, now: float) -> None:
        batch: list[Message] = []
        now_ms = self._desk.now_ms()
        for _ in range(_MOST_SCREENED):
            if len(batch) >= want:
                break
            message = self._next(run, place, now)
            if message is None:
                break
            if self._passes(run, way, message, now, now_ms):
                batch.append(message)
        if not batch:
            return
        intents = [_intent(run, way, number, message, now_ms) for message in batch]
        number.staged += len(batch)
        self._desk.stage(intents, lambda: number.ready.extend(batch))

    def _next(self, run: Run, place: int, now: float) -> Message | None:
        if late := run.due(place, now):
            return late
        way = run.ways[place]
        if way.pending:
            return way.pending.popleft()
        if place == 0:
            return run.queue.popleft() if run.queue else None
        return self._diverted(run, now)

    def _diverted(self, run: Run, now: float) -> Message | None:
        """While the first way is out, what waits for it goes the other, if the campaign says so.

        Those that can't are kept for the first; of them as many as the queue holds, then nothing more is read.
        """
        fallback, first = run.campaign.fallback, run.ways[0]
        if not fallback or "outage" not in fallback.when or not first.out(now):
            return None
        while message := run.due(0, now) or (run.queue.popleft() if run.queue else None):
            if _may_divert(message):
                message.route, message.tries = 1, 0
                run.counts.fell_back += 1
                return message
            first.pending.append(message)
        return None

    def _passes(self, run: Run, way: Way, message: Message, now: float, now_ms: int) -> bool:
        """Whether it may go now; else it was screened out, or put off."""
        if message.repeats:
            return not self._resolver.known(run, message)
        if reason := self._screen.at_dispatch(run, way, message, now_ms):
            self.screen_out(run, message, reason)
            return False
        quiet = allowed_at(run.campaign.quiet_hours, message.zone, now_ms)
        if quiet > now_ms:
            run.put_off(message, now + (quiet - now_ms) / 1000)
            return False
        if message.route == 1 and not message.variant.startswith("1:"):
            try:
                rerender(way, message)
            except Unrenderable:
                self.screen_out(run, message, "unrenderable")
                return False
        self._screen.passed(run, message, now_ms)
        return True

    def screen_out(self, run: Run, message: Message, reason: ScreenReason) -> None:
        run.counts.screened[reason] += 1
        self._desk.note(_screened(run, message, reason, self._desk.now_ms()))
        self._desk.settle(run, message)

    def _cancel(self, run: Run) -> None:
        """What was not handed over will not be."""
        for _ in range(_MOST_SCREENED):
            message = next(filter(None, (self._drain(run, place) for place in range(len(run.ways)))), None)
            if message is None:
                return
            if message.repeats:
                self._resolver.hold(run, message)
            else:
                self.screen_out(run, message, "cancelled")

    def _drain(self, run: Run, place: int) -> Message | None:
        way = run.ways[place]
        for number in way.numbers:
            if number.ready:
                return self._take_back(run, way, number)
        if way.pending:
            return way.pending.popleft()
        if place == 0 and run.queue:
            return run.queue.popleft()
        return run.later[place].pop().message if run.later[place] else None

    def _take_back(self, run: Run, way: Way, number: Number) -> Message:
        """Its intent stands in the ledger: that it never left is told, unless the same attempt had left before."""
        message = number.ready.popleft()
        number.staged -= 1
        if not message.repeats:
            self._desk.note(lost(run, way, message, self._desk.now_ms()))
        return message


def _may_divert(message: Message) -> bool:
    """Whether the other way may take it: it has an address there, and the first can't have it already."""
    return message.route == 0 and bool(message.other_to) and not message.repeats


def _ahead(number: Number, ahead_s: float) -> int:
    rates = [rate for limit in number.path if (rate := limit.effective()) is not None]
    return min(max(int(min(rates) * ahead_s), 1), MOST_AHEAD) if rates else MOST_AHEAD


def _intent(run: Run, way: Way, number: Number, message: Message, now_ms: int) -> Intent:
    campaign = run.campaign
    sent_at = message.repeats or now_ms
    message.first_at = message.first_at or sent_at
    message.tries += 1
    to = message.other_to if message.route else message.to
    template = way.route.template.name or f"{campaign.id}.{message.variant.removeprefix('1:')}"
    message.outgoing = Outgoing(
        campaign_id=campaign.id,
        seq=message.seq,
        attempt=message.attempt,
        sent_at=sent_at,
        to=to,
        sender=number.name,
        template=way.route.template.name or "",
        language=message.variant.removeprefix("1:"),
        text=message.text,
        subject=message.subject,
        html=message.html,
        parameters=message.parameters,
        expires_s=max((run.deadline_ms - now_ms) // 1000, 1) if run.deadline_ms else 0,
    )
    return Intent(
        at=now_ms,
        campaign_id=campaign.id,
        message_key=message.seq,
        attempt=message.attempt,
        channel=way.route.channel,
        provider=way.reported,
        sender=number.name,
        template=template,
        country=message.country or None,
        recipient=to[:512],
        sent_at=sent_at,
    )


def _screened(run: Run, message: Message, reason: ScreenReason, now_ms: int) -> Screened:
    return Screened(
        at=now_ms,
        campaign_id=run.id,
        message_key=message.seq,
        attempt=message.attempt,
        country=message.country or None,
        reason=reason,
    )
