"""Messages that a restart, a webhook or a person brings back: in doubt, found to be sent, to be sent again."""

from flows.sending.audience import Frozen
from flows.sending.dispatcher import Dispatcher
from flows.sending.follower import Heard
from flows.sending.ledger import Doubt
from flows.sending.message import Message
from flows.sending.outgoing import Outgoing
from flows.sending.rows import BATCH
from flows.sending.runs import Run
from flows.sending.screening import screen_and_render
from schemas.outbound import InDoubt


class Doubts:
    """Of one campaign; `hear` and `send_again` belong into the dispatcher's loop."""

    def __init__(self, run: Run, frozen: Frozen, dispatcher: Dispatcher) -> None:
        self._run = run
        self._frozen = frozen
        self._dispatcher = dispatcher
        self._desk = dispatcher.desk

    def take(self, doubts: list[Doubt]) -> None:
        """Those that the ledger left open: told, rendered, and seen to by the dispatcher."""
        for start in range(0, len(doubts), BATCH):
            some = doubts[start : start + BATCH]
            built = {message.seq: message for message in self._messages([doubt.seq for doubt in some])}
            now_ms = self._desk.now_ms()
            self._desk.ledger.put([self._desk.ledger.line(self._record(doubt, now_ms)) for doubt in some])
            self._run.put += sum(not self._run.watermark.confirmed(doubt.seq) for doubt in some)
            self._dispatcher.call(lambda some=some, built=built: self._see_to(some, built))  # type: ignore[misc]

    def _record(self, doubt: Doubt, now_ms: int) -> InDoubt:
        way = self._run.ways[self._place(doubt)]
        return InDoubt(
            at=now_ms,
            campaign_id=self._run.id,
            message_key=doubt.seq,
            attempt=doubt.attempt,
            channel=way.route.channel,
            provider=way.reported,
            sent_at=doubt.sent_at or None,
        )

    def _place(self, doubt: Doubt) -> int:
        """Of the way that it went; of the first, where that is none any more."""
        return next((place for place, way in enumerate(self._run.ways) if way.route.channel == doubt.channel), 0)

    def _see_to(self, doubts: list[Doubt], built: dict[int, Message]) -> None:
        now = self._desk.now()
        for doubt in doubts:
            self._see_to_one(doubt, built[doubt.seq], now)
        self._desk.flush()

    def _see_to_one(self, doubt: Doubt, message: Message, now: float) -> None:
        run, place = self._run, self._place(doubt)
        message.attempt, message.first_at, message.route, message.tries = doubt.attempt, doubt.sent_at, place, 1
        message.queued_at = now
        message.outgoing = Outgoing(
            campaign_id=run.id,
            seq=doubt.seq,
            attempt=doubt.attempt,
            sent_at=doubt.sent_at,
            to=message.other_to if place else message.to,
            sender=doubt.sender,
        )
        run.again += doubt.seq in run.reopened
        self._dispatcher.resolver.see_to(run, message, now)

    def _messages(self, seqs: list[int]) -> list[Message]:
        """Rendered as far as they can be: these rows passed the screen before."""
        rows = self._frozen.rows_at(seqs)
        return screen_and_render(self._run, rows, self._desk.suppressions, 0, rescreens=False).messages

    def hear(self, heard: Heard) -> None:
        resolver = self._dispatcher.resolver
        resolver.hear(self._run, heard.reports)
        self.send_again(
            [seq for seq, attempt, outcome in heard.decided if resolver.obey(self._run, seq, attempt, outcome)]
        )
        self._desk.flush()

    def send_again(self, seqs: list[int]) -> None:
        """Those in `Run.reopened`."""
        for message in self._messages(seqs) if seqs else []:
            message.attempt = self._run.reopened[message.seq]
            message.queued_at = self._desk.now()
            self._run.again += 1
            self._run.put_off(message, self._desk.now())
