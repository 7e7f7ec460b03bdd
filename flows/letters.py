"""Dead letters as they stand in their topics: which are open, and which of them today's code would take.

dlq.webhook ─▶ an envelope, back to webhook          dlq.status ─▶ a line, back to status.<lane> or outbound
dlq.send ────▶ what the sender could not use: it alone can try that again
"""

import base64
from collections.abc import Iterator, Sequence
from contextlib import suppress
from hashlib import blake2b
from typing import NamedTuple

import msgspec

from flows import outbound_records, status_events
from flows.envelopes import parse_envelopes
from flows.history.past import GROUP, Past
from flows.history.span import Span, start_of
from flows.identity import HASH_BYTES, HashKey
from flows.topics import LINE_LIMIT_BYTES, Record, open_reader
from flows.topics.places import FILE_BYTE_BITS
from schemas.errors import TopicGap, TopicUnknown
from schemas.events import DeadLetter
from schemas.settings import Settings
from schemas.topics import DLQ_SEND, DLQ_STATUS, DLQ_WEBHOOK, OUTBOUND, WEBHOOK

DLQ_TOPICS = (DLQ_WEBHOOK, DLQ_STATUS, DLQ_SEND)
_FETCH_S = 5.0
_letters = msgspec.json.Decoder(DeadLetter)
_ANY_KEY = HashKey(1, bytes(HASH_BYTES))
"""For a trial: what it hashes goes nowhere."""


class Letter(NamedTuple):
    """One dead letter, and where it stands."""

    topic: str
    place: int
    letter: DeadLetter

    @property
    def id(self) -> str:
        """What commands take: `webhook/4611686018427387904`."""
        return f"{self.topic.removeprefix('dlq.')}/{self.place}"

    def payload(self) -> bytes:
        letter = self.letter
        if letter.payload_base64 is not None:
            return base64.b64decode(letter.payload_base64)
        return (letter.payload or "").encode()

    def is_whole(self) -> bool:
        return len(self.payload()) >= self.letter.payload_bytes

    def digest(self) -> bytes:
        """The same record, however often it becomes a dead letter."""
        return blake2b(f"{self.letter.topic}\0".encode() + self.payload(), digest_size=HASH_BYTES).digest()


def read_letters(settings: Settings, topic: str) -> Iterator[Letter]:
    """All that a dead-letter topic holds; a line that is no dead letter is passed over. Nothing where it is missing."""
    with suppress(TopicUnknown):
        for records in Past(settings, topic).polls():
            for record in records:
                for number, line in enumerate(record.value.split(b"\n")):
                    with suppress(msgspec.MsgspecError, UnicodeDecodeError):
                        yield Letter(topic, record.place + number, _letters.decode(line))


def whole_line(settings: Settings, letter: Letter) -> bytes | None:
    """The record itself, from where it stood if the letter holds only its beginning; None where that is gone."""
    if letter.is_whole():
        return letter.payload()
    origin = letter.letter
    if origin.payload_bytes > LINE_LIMIT_BYTES:
        return None
    start = start_of(
        Span(partition=origin.partition, first=origin.offset), in_files=bool(origin.offset >> FILE_BYTE_BITS)
    )
    try:
        reader = open_reader(settings, origin.topic, [origin.partition], start, GROUP)
    except (TopicGap, TopicUnknown):
        return None
    try:
        records = reader.poll(LINE_LIMIT_BYTES, _FETCH_S)
    except TopicGap:
        return None
    finally:
        reader.close()
    lines = records[0].value.split(b"\n") if records else []
    return lines[origin.line] if origin.line < len(lines) else None


def taken(lines: Sequence[bytes], topic: str, now_ms: int) -> list[bool]:
    """For each line of one origin topic, whether today's code would take it; False for what only a sender can try."""
    records = [Record(0, number, 0, line + b"\n") for number, line in enumerate(lines)]
    refused = _refused(records, topic, now_ms)
    return [number not in refused for number in range(len(lines))]


def _refused(records: list[Record], topic: str, now_ms: int) -> set[int]:
    if topic == WEBHOOK:
        return {letter.offset for letter in parse_envelopes(records, topic, now_ms).dead_letters}
    if topic == OUTBOUND:
        return {bad.line.record.offset for bad in outbound_records.decode(records, now_ms, _ANY_KEY).bad}
    if topic.startswith("status."):
        return {bad.line.record.offset for bad in status_events.decode(records, now_ms).bad}
    return {record.offset for record in records}
