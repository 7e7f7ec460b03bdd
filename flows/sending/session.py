"""One campaign in this process, from its file to its end: what the flow's source and steps talk to."""

import threading
import time
from typing import Any

import polars as pl

from flows.sending.desk import Desk
from flows.sending.dispatcher import Dispatcher
from flows.sending.doubts import Doubts
from flows.sending.follower import Follower
from flows.sending.ledger import Doubt, Ledger
from flows.sending.message import Message
from flows.sending.opening import Planned, open_run
from flows.sending.rows import Rows
from flows.sending.screening import screen_and_render
from flows.stopping import Stop
from schemas.campaign import seconds
from schemas.outbound import Campaign as Plan
from schemas.settings import Settings, parse_duration_ms

NOTHING: dict[str, Any] = {"low": 0, "positions": {}, "doubts": [], "again": {}, "given_up": {}}
"""The state of a campaign that has not begun."""
_FAULTS_KEPT = 20
_AT_ONCE = 100
"""Rows that are rendered in one go. The dispatcher waits for the interpreter's lock meanwhile: for 10,000, 150 ms."""
_PLENTY = 5_000
"""So many in the queue leave time to rest after each go, `_RESTS` times as long as it took."""
_RESTS = 2.0


class Session:
    """Made before the flow; `begin` once the flow knows where it stood."""

    def __init__(self, settings: Settings, planned: Planned, dispatcher: Dispatcher) -> None:
        self._settings = settings
        self._share = settings.slice
        self.campaign, _, self.frozen = planned
        self.dispatcher = dispatcher
        self.desk: Desk = dispatcher.desk
        self.run = open_run(planned, self._share, self.desk)
        self._ledger = Ledger(self.campaign.id)
        self.rows = Rows(self.frozen, self.run, self._share, self._ledger)
        self.faults: list[str] = []
        self._doubts = Doubts(self.run, self.frozen, dispatcher)
        self._follower: Follower | None = None
        self._taken_over = threading.Event()
        """The dispatcher has what `begin` told it: before, nothing to do doesn't mean that all is done."""
        self._done_at = 0.0

    # --- opening ---------------------------------------------------------------------------------------------------

    def begin(self, state: dict[str, Any], stop: Stop) -> None:
        """Read the ledger from the checkpoint on, see to what is in doubt, go on. Raises TidemarkError."""
        share, run, call = self._share, self.run, self.dispatcher.call
        low = max(state["low"], share.index)
        run.watermark.low = low
        run.put = run.confirmed = len(range(share.index, low, share.of))
        self._follower = Follower(self._settings, self.campaign.id, state["positions"])
        self._ledger.remember(low, state["doubts"], state["again"], state["given_up"])
        heard = self._follower.catch_up(self._ledger)
        self.rows.begin(low)
        self._plan()
        self._take_settled(low)
        doubts = self._take_doubts(low, {Doubt(*doubt) for doubt in state["doubts"]})
        again = self._take_reopened(low)
        self.dispatcher.add(run)
        call(lambda: self._doubts.hear(heard))
        self._doubts.take(doubts)
        call(lambda: self._doubts.send_again(again))
        call(self._taken_over.set)
        self._follower.start(stop, lambda: self.rows.next, call, self._doubts.hear)

    def _mine(self, seq: int) -> bool:
        return seq in self.run.seqs

    def _plan(self) -> None:
        """What was planned is told again at each start, with the rates of now: the latest holds."""
        campaign = self.campaign
        record = Plan(
            at=self.desk.now_ms(),
            campaign_id=campaign.id,
            name=campaign.name,
            channel=campaign.channel,
            audience=self.frozen.rows,
            frozen_at=self.frozen.frozen_at,
            limit_per_s=campaign.limit_per_s(),
            sla_p95_ms=parse_duration_ms(campaign.sla_p95) if campaign.sla_p95 else None,
            prices=campaign.prices,
        )
        self.desk.ledger.put([self.desk.ledger.line(record)])

    def _take_settled(self, low: int) -> None:
        mine = [seq for seq in self._ledger.settled if seq >= low and self._mine(seq)]
        for seq in mine:
            self.run.watermark.confirm(seq)
        self.run.put += len(mine)
        self.run.confirmed += len(mine)

    def _take_doubts(self, low: int, held: set[Doubt]) -> list[Doubt]:
        """Those that are to be seen to: all but what was left to webhooks and people before."""
        mine = [doubt for doubt in self._ledger.doubts() if self._mine(doubt.seq)]
        self.run.doubts |= {doubt.seq: doubt for doubt in mine if doubt.seq < low and doubt in held}
        fresh = [doubt for doubt in mine if doubt.seq not in self.run.doubts]
        self.run.reopened |= {doubt.seq: doubt.attempt for doubt in fresh if doubt.seq < low}
        return fresh

    def _take_reopened(self, low: int) -> list[int]:
        """Those that are to be sent again."""
        mine = {seq: attempt for seq, attempt in self._ledger.attempts.items() if seq < low and self._mine(seq)}
        self.run.reopened |= mine
        self.run.given_up |= {seq: attempt for seq, attempt in self._ledger.given_up.items() if self._mine(seq)}
        return sorted(mine)

    # --- the source's side -----------------------------------------------------------------------------------------

    def next_frame(self) -> pl.DataFrame | None:
        """Rows that may be sent now; None where there are none, or no room for them."""
        return self.rows.take(self.desk.now(), self.desk.now_ms())

    def prepare(self, frame: pl.DataFrame) -> list[Message]:
        """Screen and render, a few rows at a time; who is screened out is told at once."""
        messages: list[Message] = []
        for rows in frame.iter_slices(_AT_ONCE):
            began = self.desk.now()
            messages += self._prepare(rows)
            if len(self.run.queue) > _PLENTY:
                time.sleep(_RESTS * (self.desk.now() - began))
        return messages

    def _prepare(self, rows: pl.DataFrame) -> list[Message]:
        judged = screen_and_render(self.run, rows, self.desk.suppressions, self.desk.now_ms())
        for message in judged.messages:
            message.attempt = self._ledger.attempts.get(message.seq, 1)
        for reason, count in judged.reasons.items():
            self.run.counts.screened[reason] += count
        self.faults += judged.faults[: _FAULTS_KEPT - len(self.faults)]
        if judged.records:
            self.run.put += len(judged.records)
            seqs = [record.message_key or 0 for record in judged.records]
            self.desk.screened(self.run, list(judged.records), seqs)
        return judged.messages

    def put(self, messages: list[Message]) -> None:
        now = self.desk.now()
        for message in messages:
            message.queued_at = now
        self.run.put += len(messages)
        self.run.queue.extend(messages)

    def look(self) -> None:
        """Between batches: whether everything was read."""
        self.run.exhausted = self.rows.exhausted() and self.run.put >= self.run.audience

    def ended(self) -> bool:
        """Everything is settled, or what is in doubt was waited for long enough."""
        if not (self._taken_over.is_set() and self.run.done()):
            return False
        self._done_at = self._done_at or time.monotonic()
        return not self.run.doubts or time.monotonic() - self._done_at >= seconds(self.campaign.settle)

    def state(self) -> dict[str, Any]:
        """What the source's snapshot keeps; of messages from `low` on, and of reopened ones, the ledger tells."""
        return self.dispatcher.ask(self._state)

    def _state(self) -> dict[str, Any]:
        assert self._follower is not None
        run, low = self.run, self.run.watermark.low

        def closed(seq: int) -> bool:
            return seq < low and seq not in run.reopened

        return {
            "low": low,
            # `low` doesn't wait for reopened messages: their intents must not lie before what is read again.
            "positions": self._follower.checkpoint(low, stays=bool(run.reopened)),
            "doubts": [tuple(doubt) for seq, doubt in run.doubts.items() if closed(seq)],
            "again": dict(run.reopened),
            "given_up": {seq: attempt for seq, attempt in run.given_up.items() if closed(seq)},
        }

    def close(self) -> None:
        if self._follower:
            self._follower.close()
