"""Who is not sent to: judged as the audience is read, and once more when the message's turn has come."""

from typing import Literal, NamedTuple

import polars as pl

from flows.sending.audience import COUNTRY, LANGUAGE, OTHER_SKIP, OTHER_TO, SKIP, TO, ZONE
from flows.sending.caps import Caps
from flows.sending.message import Message
from flows.sending.runs import Run, Way
from flows.sending.suppression import Suppressions
from flows.sending.templates import Unrenderable
from schemas.outbound import Screened, ScreenReason

UNRENDERABLE_KEPT = 20


class Screen:
    """`caps`: None where no campaign of this process has any."""

    def __init__(self, suppressions: Suppressions, caps: Caps | None) -> None:
        self._suppressions = suppressions
        self._caps = caps

    def at_dispatch(self, run: Run, way: Way, message: Message, now_ms: int) -> ScreenReason | None:
        """Just before the intent: what may have changed since the audience was read."""
        to = message.other_to if message.route else message.to
        if not to or self._suppressions.holds(to, way.route.channel):
            return "suppressed"
        closes = run.campaign.window.closes
        if (run.deadline_ms and now_ms > run.deadline_ms) or (closes and now_ms > closes.timestamp() * 1000):
            return "expired"
        cap = run.campaign.frequency_cap
        if cap and self._caps is not None and self._caps.full(to, run.id, message.seq, cap, now_ms):
            return "capped"
        return None

    def passed(self, run: Run, message: Message, now_ms: int) -> None:
        """Its intent comes next."""
        if self._caps is not None:
            self._caps.add(message.other_to if message.route else message.to, run.id, message.seq, now_ms)


class Judged(NamedTuple):
    """What a batch of rows became."""

    messages: list[Message]
    records: list[Screened]
    reasons: dict[str, int]
    faults: list[str]
    """The first few rows that could not be rendered, and why."""


def screen_and_render(
    run: Run, frame: pl.DataFrame, suppressions: Suppressions, now_ms: int, *, rescreens: bool = True
) -> Judged:
    """Rows of the frozen audience as messages of the first way, or as records of why not.

    `rescreens=False` for rows that passed before: each becomes a message, rendered if it can be.
    """
    way = run.ways[0]
    channel = way.route.channel
    result = Judged([], [], {}, [])
    own = [name for name in frame.columns if name.startswith("_")]
    rows = frame.drop(own).to_dicts()
    others = (frame[OTHER_TO].to_list(), frame[OTHER_SKIP].to_list()) if OTHER_TO in own else None
    columns = [frame[name].to_list() for name in ("_seq", TO, COUNTRY, ZONE, LANGUAGE, SKIP)]
    for place, (row, seq, to, country, zone, language, skip) in enumerate(zip(rows, *columns, strict=True)):
        reason: ScreenReason | Literal[""] = "cancelled" if run.cancelled else skip
        if not reason and suppressions.holds(to, channel):
            reason = "suppressed"
        message = Message(seq, row, to, country, zone, language)
        if others and not others[1][place]:
            message.other_to = others[0][place]
        if not reason or not rescreens:
            reason = ""
            try:
                render(way, message)
            except Unrenderable as fault:
                reason = "unrenderable" if rescreens else ""
                if len(result.faults) < UNRENDERABLE_KEPT:
                    result.faults.append(f"row {seq}: {fault}")
        if reason:
            result.reasons[reason] = result.reasons.get(reason, 0) + 1
            record = Screened(at=now_ms, campaign_id=run.id, message_key=seq, country=country or None, reason=reason)
            result.records.append(record)
        else:
            result.messages.append(message)
    return result


def render(way: Way, message: Message) -> None:
    """Raises Unrenderable."""
    rendered = way.renderer.render(message.row, message.language)
    message.variant, message.text, message.subject, message.html, message.parameters = rendered


def rerender(way: Way, message: Message) -> None:
    """For the fallback; raises Unrenderable."""
    render(way, message)
    message.variant = f"1:{message.variant}"
