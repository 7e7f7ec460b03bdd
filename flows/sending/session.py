"""One campaign in this process, from its file to its end: what the flow's source and steps talk to."""

import logging
import time
from collections import defaultdict, deque
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import polars as pl

from flows.connectors import CONNECTORS, open_connector
from flows.sending.audience import ZONE, Frozen
from flows.sending.canary import Gate
from flows.sending.desk import Desk
from flows.sending.dispatcher import Dispatcher
from flows.sending.follower import Follower, Heard
from flows.sending.ledger import Doubt, Ledger
from flows.sending.message import Message
from flows.sending.outgoing import Outgoing
from flows.sending.quiet_hours import allowed_at
from flows.sending.runs import Number, Run, Way
from flows.sending.screening import screen_and_render
from flows.sending.templates import Renderer, template_texts
from schemas.campaign import Campaign, Route, seconds
from schemas.outbound import Campaign as Plan
from schemas.outbound import InDoubt
from schemas.settings import Settings, parse_duration_ms

log = logging.getLogger(__name__)

BATCH = 10_000
NOTHING: dict[str, Any] = {"low": 0, "positions": {}, "doubts": [], "again": {}, "given_up": {}}
"""The state of a campaign that has not begun."""
_FAULTS_KEPT = 20


class Planned(NamedTuple):
    """A campaign, the folder its file lies in, its frozen audience."""

    campaign: Campaign
    folder: Path
    frozen: Frozen


class Session:
    """Made before the flow; `begin` once the flow knows where it stood."""

    def __init__(self, settings: Settings, planned: Planned, dispatcher: Dispatcher) -> None:
        self.settings = settings
        self.campaign, self.folder, self.frozen = planned
        self.dispatcher = dispatcher
        self.desk: Desk = dispatcher.desk
        self.run = self._open_run()
        self.gate = Gate(self.campaign.canary, self.frozen.rows)
        self.faults: list[str] = []
        self.done_at = 0.0
        self.next = 0
        """The row that is read next: the source's own place, ahead of its checkpoint."""
        self._ledger = Ledger(self.campaign.id)
        self._follower: Follower | None = None
        self._frames: Iterator[pl.DataFrame] = iter(())
        self._kept: pl.DataFrame | None = None
        """The rest of a row group, behind the canary's gate."""
        self._parked: dict[int, list[int]] = defaultdict(list)
        """By when they may be sent, rows that are in their quiet hours; for messages in the queue, see `Run.later`."""
        self._read_all = False
        self.emitted = 0

    # --- opening ---------------------------------------------------------------------------------------------------

    def _open_run(self) -> Run:
        campaign, share = self.campaign, self.settings.slice
        starts_ms = self.frozen.frozen_at
        if campaign.window.opens:
            starts_ms = max(starts_ms, int(campaign.window.opens.timestamp() * 1000))
        deadline_ms = starts_ms + parse_duration_ms(campaign.expires) if campaign.expires else 0
        ways = [self._open_way(route) for route in campaign.routes()]
        rows = len(range(share.index, self.frozen.rows, share.of))
        return Run(campaign, ways, rows, deadline_ms, share.of, share.index)

    def _open_way(self, route: Route) -> Way:
        campaign, desk, kind = self.campaign, self.desk, CONNECTORS[route.provider]
        connector = open_connector(route.provider, route.connection, seconds(campaign.timeout))
        renderer = Renderer(template_texts(route.template, self.folder), route.template.language)
        overall = desk.limit("overall", campaign.rates.overall)
        provider = desk.limit(f"provider:{route.provider}", campaign.rates.provider)
        own = desk.limit(f"campaign:{campaign.id}", campaign.rates.campaign, self.settings.slice.of)
        numbers = []
        for sender in route.senders:
            name = f"{route.provider}/{sender.id}"
            limit = desk.limit(f"number:{name}", sender.per_s)
            numbers.append(Number(sender.id, [overall, provider, limit, own], desk.breaker(name)))
        return Way(route, kind, kind.reported(route.connection), connector, renderer, numbers, deque())

    def begin(self, state: dict[str, Any]) -> None:
        """Read the ledger from the checkpoint on, see to what is in doubt, go on. Raises TidemarkError."""
        share = self.settings.slice
        low = max(state["low"], share.index)
        self.run.watermark.low = low
        self.run.put = self.run.confirmed = len(range(share.index, low, share.of))
        self._follower = Follower(self.settings, self.campaign.id, state["positions"])
        self._ledger.remember(state["doubts"])
        self._ledger.given_up |= state["given_up"]
        heard = self._follower.catch_up(self._ledger)
        self.next = low
        self._frames = self.frozen.batches(low)
        self._plan()
        self._take_settled(low)
        self.dispatcher.add(self.run)
        self.dispatcher.call(lambda: self._hear(heard))
        self._take_doubts(self._ledger.doubts())
        self._take_reopened(low, state["again"])
        self._follower.start(lambda: self.next, lambda heard: self.dispatcher.call(lambda: self._hear(heard)))

    def _take_reopened(self, low: int, again: dict[int, int]) -> None:
        doubtful = {doubt.seq for doubt in self._ledger.doubts()}
        known = again | {seq: attempt for seq, attempt in self._ledger.attempts.items() if seq < low}
        share = self.settings.slice
        mine = {
            seq: attempt
            for seq, attempt in known.items()
            if seq % share.of == share.index and seq not in doubtful and seq not in self._ledger.settled
        }
        self.run.reopened |= mine
        self.run.given_up |= self._ledger.given_up
        self.dispatcher.call(lambda: self._send_again(sorted(mine)))

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
        share = self.settings.slice
        mine = [seq for seq in self._ledger.settled if seq >= low and seq % share.of == share.index]
        for seq in mine:
            self.run.watermark.confirm(seq)
        self.run.put += len(mine)
        self.run.confirmed += len(mine)

    def _take_doubts(self, doubts: list[Doubt]) -> None:
        share = self.settings.slice
        mine = [doubt for doubt in doubts if doubt.seq % share.of == share.index]
        for start in range(0, len(mine), BATCH):
            some = mine[start : start + BATCH]
            rows = self.frozen.rows_at([doubt.seq for doubt in some])
            built = {message.seq: message for message in self._messages(rows)}
            now_ms = self.desk.now_ms()
            records = [self._doubt_record(doubt, now_ms) for doubt in some]
            self.desk.ledger.put([self.desk.ledger.line(record) for record in records])
            below = [doubt for doubt in some if self.run.watermark.confirmed(doubt.seq)]
            self.run.put += len(some) - len(below)
            self.dispatcher.call(lambda some=some, built=built: self._doubt(some, built))  # type: ignore[misc]

    def _doubt_record(self, doubt: Doubt, now_ms: int) -> InDoubt:
        way = next((way for way in self.run.ways if way.route.channel == doubt.channel), self.run.ways[0])
        return InDoubt(
            at=now_ms,
            campaign_id=self.campaign.id,
            message_key=doubt.seq,
            attempt=doubt.attempt,
            channel=way.route.channel,
            provider=way.reported,
            sent_at=doubt.sent_at or None,
        )

    def _doubt(self, doubts: list[Doubt], built: dict[int, Message]) -> None:
        now = self.desk.now()
        for doubt in doubts:
            self._doubt_one(doubt, built[doubt.seq], now)
        self.desk.flush()

    def _doubt_one(self, doubt: Doubt, message: Message, now: float) -> None:
        run, place = self.run, self._place(doubt)
        way = run.ways[place]
        held_before = run.watermark.confirmed(doubt.seq)
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
        if held_before:
            run.doubts[doubt.seq] = doubt
            self.dispatcher.settler.hear(run, [pair for pair in run.heard if pair == (doubt.seq, doubt.attempt)])
        else:
            self.dispatcher.settler.doubt(run, way, message, now)

    def _place(self, doubt: Doubt) -> int:
        places = [place for place, way in enumerate(self.run.ways) if way.route.channel == doubt.channel]
        return places[0] if places else 0

    def _messages(self, rows: pl.DataFrame) -> list[Message]:
        """Rendered as far as they can be: these rows passed the screen before."""
        return screen_and_render(self.run, rows, self.desk.suppressions, 0, rescreens=False).messages

    def _hear(self, heard: Heard) -> None:
        self.dispatcher.settler.hear(self.run, heard.reports)
        settler = self.dispatcher.settler
        self._send_again(
            [seq for seq, attempt, outcome in heard.decided if settler.decide(self.run, seq, attempt, outcome)]
        )
        self.desk.flush()

    def _send_again(self, seqs: list[int]) -> None:
        """Those in `Run.reopened`."""
        for message in self._messages(self.frozen.rows_at(seqs)) if seqs else []:
            message.attempt = self.run.reopened[message.seq]
            message.queued_at = self.desk.now()
            self.run.again += 1
            self.run.put_off(message, self.desk.now())

    # --- the source's side -----------------------------------------------------------------------------------------

    def next_frame(self) -> pl.DataFrame | None:
        """Rows that may be sent now; None where there are none, or no room for them."""
        if self.run.room() < BATCH // 2 or (self.run.paused and not self.run.cancelled):
            return None
        now_ms = self.desk.now_ms()
        if released := self._released(now_ms):
            return released[0]
        if not self.gate.opens(self.next, self.run, self.desk.now()):
            return None
        frame = self._next_rows()
        if frame is None:
            self._read_all = True
            return None
        self.next = int(frame["_seq"][-1]) + 1 if len(frame) else self.next
        return self._sendable(self._mine(frame), now_ms)

    def _next_rows(self) -> pl.DataFrame | None:
        """No further than the canary's gate."""
        frame = self._kept if self._kept is not None else next(self._frames, None)
        self._kept = None
        if frame is None or frame.is_empty():
            return frame
        before = self.gate.cut(int(frame["_seq"][0]), int(frame["_seq"][-1]) + 1)
        if before:
            self._kept = frame.filter(pl.col("_seq") >= before)
            return frame.filter(pl.col("_seq") < before)
        return frame

    def _mine(self, frame: pl.DataFrame) -> pl.DataFrame:
        share = self.settings.slice
        if share.of > 1:
            frame = frame.filter(pl.col("_seq") % share.of == share.index)
        known = self._ledger.settled.union(doubt.seq for doubt in self._ledger.doubts())
        if not known or frame.is_empty():
            return frame
        first, last = int(frame["_seq"][0]), int(frame["_seq"][-1])
        here = [seq for seq in known if first <= seq <= last]
        return frame.filter(~pl.col("_seq").is_in(here)) if here else frame

    def _sendable(self, frame: pl.DataFrame, now_ms: int) -> pl.DataFrame:
        """Without those in their quiet hours: a zone's rows are looked up once."""
        quiet = self.campaign.quiet_hours
        if quiet is None or self.run.cancelled:
            return frame
        for zone in frame[ZONE].unique().to_list():
            at = allowed_at(quiet, zone, now_ms)
            if at > now_ms:
                held = frame.filter(pl.col(ZONE) == zone)
                frame = frame.filter(pl.col(ZONE) != zone)
                self._parked[at] += held["_seq"].to_list()
        return frame

    def _released(self, now_ms: int) -> list[pl.DataFrame]:
        due = [at for at in self._parked if at <= now_ms or self.run.cancelled]
        for at in due:
            seqs = self._parked[at]
            batch, rest = seqs[:BATCH], seqs[BATCH:]
            if rest:
                self._parked[at] = rest
            else:
                del self._parked[at]
            return [self.frozen.rows_at(batch)]
        return []

    def parked(self) -> int:
        return sum(map(len, self._parked.values()))

    def prepare(self, frame: pl.DataFrame) -> list[Message]:
        """Screen and render; who is screened out is told at once."""
        judged = screen_and_render(self.run, frame, self.desk.suppressions, self.desk.now_ms())
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
        self.run.exhausted = self._read_all and not self._parked and self.run.put >= self.run.audience

    def ended(self) -> bool:
        """Everything is settled, or what is in doubt was waited for long enough."""
        if not self.run.done():
            return False
        self.done_at = self.done_at or time.monotonic()
        return not self.run.doubts or time.monotonic() - self.done_at >= seconds(self.campaign.settle)

    def state(self) -> dict[str, Any]:
        """What the source's snapshot keeps."""
        assert self._follower is not None
        low = self.run.watermark.low
        doubts = [tuple(doubt) for doubt in list(self.run.doubts.values())]
        return {
            "low": low,
            "positions": self._follower.checkpoint(low),
            "doubts": doubts,
            "again": dict(list(self.run.reopened.items())),
            "given_up": dict(list(self.run.given_up.items())),
        }

    def close(self) -> None:
        if self._follower:
            self._follower.close()
