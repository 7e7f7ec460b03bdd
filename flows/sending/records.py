"""Outbound records of a message that is on its way, and its dead letter."""

from typing import Literal, TypedDict

import msgspec

from flows.sending.decisions import Decision
from flows.sending.message import Message
from flows.sending.outgoing import Refused, Taken
from flows.sending.runs import Run, Way
from schemas.events import DeadLetter
from schemas.outbound import Accepted, InDoubt, Rejected, Settled
from schemas.topics import DLQ_SEND


class _Common(TypedDict):
    """What all of these records have."""

    at: int
    campaign_id: str
    message_key: int
    attempt: int
    channel: str
    provider: str
    sent_at: int


def _common(run: Run, way: Way, message: Message, now_ms: int) -> _Common:
    assert message.outgoing is not None
    return {
        "at": now_ms,
        "campaign_id": run.id,
        "message_key": message.seq,
        "attempt": message.attempt,
        "channel": way.route.channel,
        "provider": way.reported,
        "sent_at": message.outgoing.sent_at,
    }


def accepted(run: Run, way: Way, message: Message, taken: Taken, now_ms: int) -> Accepted:
    return Accepted(**_common(run, way, message, now_ms), provider_message_id=taken.provider_message_id)


def rejected(run: Run, way: Way, message: Message, refused: Refused, *, final: bool, now_ms: int) -> Rejected:
    return Rejected(**_common(run, way, message, now_ms), error_code=refused.code, final=final)


def in_doubt(run: Run, way: Way, message: Message, now_ms: int) -> InDoubt:
    return InDoubt(**_common(run, way, message, now_ms))


def settled(
    run: Run, way: Way, message: Message, outcome: Literal["sent", "lost"], now_ms: int, identity: str | None = None
) -> Settled:
    return Settled(**_common(run, way, message, now_ms), outcome=outcome, provider_message_id=identity)


def letter(message: Message, run: Run, refused: Refused, decision: Decision, now_ms: int) -> DeadLetter:
    """Its payload is what `flows.send replay` needs: campaign, seq, the next attempt."""
    payload = msgspec.json.encode(
        {"campaign_id": run.id, "message_key": message.seq, "attempt": message.attempt + 1, "row": message.row}
    )
    return DeadLetter(
        reason=decision.reason or "refused",
        detail=f"{refused.code}: {refused.detail}"[:500],
        topic=DLQ_SEND,
        partition=0,
        offset=message.seq,
        failed_at=now_ms,
        provider=run.ways[message.route].reported,
        payload=payload.decode()[:200_000],
        payload_bytes=len(payload),
    )


def lost(run: Run, way: Way, message: Message, now_ms: int) -> Settled:
    """Of an attempt that never arrived at the provider."""
    return settled(run, way, message, "lost", now_ms)
