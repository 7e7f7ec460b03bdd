"""A record that could not be used, as a dead letter: reason, origin and payload, one at a time."""

import base64

import msgspec

from flows.topics import Record
from schemas.events import PAYLOAD_LIMIT_BYTES, DeadLetter

_DETAIL_LIMIT = 500
_LONGEST_CHARACTER = 4
"""Bytes of a character in UTF-8."""
_encoder = msgspec.json.Encoder()


def dead_letter(
    reason: str,
    detail: str,
    topic: str,
    record: Record,
    line: int,
    payload: bytes,
    failed_at: int,
    provider: str | None = None,
    received_at: int | None = None,
    receipt_id: str | None = None,
) -> DeadLetter:
    """The dead letter of line `line`, from 0, of `record`; `payload` is that line, cut at `PAYLOAD_LIMIT_BYTES`."""
    text = _as_text(payload)
    return DeadLetter(
        reason=reason,
        detail=detail[:_DETAIL_LIMIT],
        topic=topic,
        partition=record.partition,
        offset=record.offset,
        line=line,
        failed_at=failed_at,
        provider=provider,
        received_at=received_at,
        receipt_id=receipt_id,
        payload=text,
        payload_base64=base64.b64encode(payload[:PAYLOAD_LIMIT_BYTES]).decode() if text is None else None,
        payload_bytes=max(len(payload), record.oversized),
    )


def encode_dead_letter(letter: DeadLetter) -> bytes:
    """One NDJSON line, its newline included."""
    return _encoder.encode(letter) + b"\n"


def _as_text(payload: bytes) -> str | None:
    """`payload` up to the limit, less a character that the limit cuts in two; None where it is not UTF-8."""
    kept = payload[:PAYLOAD_LIMIT_BYTES]
    try:
        return kept.decode()
    except UnicodeDecodeError as error:
        cut_in_two = len(payload) > len(kept) and error.start > len(kept) - _LONGEST_CHARACTER
        return kept[: error.start].decode() if cut_in_two else None
