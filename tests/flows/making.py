"""Lines, records and frames of a small campaign, for tests of the flows' plain functions."""

import itertools
from collections.abc import Iterable, Sequence
from typing import Any

import msgspec

from flows.topics import Record
from schemas.times import DAY_MS, wall_clock

NOW_MS = wall_clock() // DAY_MS * DAY_MS
"""Not a fixed date: tables let go of months that are thirteen months old."""
FIRST_PLACE = 1 << 62

Fields = dict[str, Any]


def event(**changes: Any) -> Fields:
    """A good status event with our ids."""
    return {
        "campaign_id": "spring",
        "message_key": 7,
        "attempt": 1,
        "status": "delivered",
        "raw_status": "DELIVRD",
        "event_time": NOW_MS - 5_000,
        "received_at": NOW_MS - 4_000,
        "sent_at": NOW_MS - 9_000,
        "provider": "canonical",
        "receipt_id": "r-1",
    } | changes


def foreign(**changes: Any) -> Fields:
    """A good status event without our ids."""
    without = {"campaign_id": None, "message_key": None, "sent_at": None}
    return event(**without, provider_message_id="pm-1") | changes


def outbound(type_: str, **changes: Any) -> Fields:
    """A good message record with a key."""
    of_type: dict[str, Fields] = {
        "screened": {"reason": "capped"},
        "intent": {"sent_at": NOW_MS - 9_000},
        "accepted": {"sent_at": NOW_MS - 9_000, "provider": "canonical", "provider_message_id": "pm-1"},
        "rejected": {"sent_at": NOW_MS - 9_000, "provider": "canonical", "error_code": "131026"},
        "in_doubt": {},
        "settled": {"outcome": "sent"},
    }
    common = {"type": type_, "at": NOW_MS - 8_000, "campaign_id": "spring", "message_key": 7, "attempt": 1}
    return common | of_type[type_] | changes


def campaign(**changes: Any) -> Fields:
    return {
        "type": "campaign",
        "at": NOW_MS - DAY_MS,
        "campaign_id": "spring",
        "name": "Spring sale",
        "channel": "whatsapp",
        "audience": 10,
        "frozen_at": NOW_MS - DAY_MS,
    } | changes


def progress(**changes: Any) -> Fields:
    plain = {"type": "progress", "at": NOW_MS - 8_000, "campaign_id": "spring"}
    return plain | {"allowed_per_s": 80, "achieved_per_s": 79.5} | changes


def line(fields: Fields) -> bytes:
    return msgspec.json.encode(fields)


def records_of(lines: Iterable[bytes], a_record: int = 100, partition: int = 0) -> list[Record]:
    """Records of `a_record` lines each, numbered as a file topic would."""
    return [
        Record(partition, 1_000 + start, FIRST_PLACE + start, b"\n".join(run))
        for start, run in _runs(lines, itertools.repeat(a_record))
    ]


def cut_records(lines: Sequence[bytes], sizes: Iterable[int]) -> list[Record]:
    """Records of the sizes given, over and over."""
    runs = _runs(lines, itertools.cycle(sizes))
    return [Record(0, 1_000 + start, FIRST_PLACE + start, b"\n".join(run)) for start, run in runs]


def _runs(lines: Iterable[bytes], sizes: Iterable[int]) -> Iterable[tuple[int, list[bytes]]]:
    rest, start = iter(lines), 0
    for size in sizes:
        run = list(itertools.islice(rest, size))
        if not run:
            return
        yield start, run
        start += len(run)
