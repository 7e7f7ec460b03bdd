"""Which part of a topic's past is meant: by time of receipt, or by offset within one partition."""

from collections.abc import Iterator
from datetime import UTC, datetime

import msgspec
from msgspec import Struct

from flows.topics import Position, Record
from flows.topics.places import FILE_BYTE_BITS
from schemas.errors import UsageError


class _Dated(Struct, gc=False):
    """The time of a line, whichever topic it stands in."""

    received_at: int | None = None
    at: int | None = None


_dates = msgspec.json.Decoder(_Dated)


class Span(Struct, frozen=True):
    """From, including, to, excluding. Times are UTC ms; offsets are those that dead letters name."""

    from_ms: int | None = None
    to_ms: int | None = None
    partition: int | None = None
    first: int | None = None
    last: int | None = None

    def cut(self, record: Record) -> list[bytes]:
        """The lines of `record` that lie in the span, without their newlines; blank ones and cut records have none."""
        if record.oversized or (self.partition is not None and record.partition != self.partition):
            return []
        lines = self._numbered(record) if self._by_offset() else record.value.split(b"\n")
        return [line for line in lines if line.strip() and self._in_time(line)]

    def _by_offset(self) -> bool:
        return self.first is not None or self.last is not None

    def _numbered(self, record: Record) -> Iterator[bytes]:
        """In a file topic a line's own offset counts; on Kafka that of its record."""
        offset, step = record.offset, 1 if record.offset >> FILE_BYTE_BITS else 0
        for line in record.value.split(b"\n"):
            if (self.first is None or offset >= self.first) and (self.last is None or offset < self.last):
                yield line
            offset += step * (len(line) + 1)

    def _in_time(self, line: bytes) -> bool:
        if self.from_ms is None and self.to_ms is None:
            return True
        at = time_of(line)
        if at is None:
            return False
        return (self.from_ms is None or at >= self.from_ms) and (self.to_ms is None or at < self.to_ms)


def time_of(line: bytes) -> int | None:
    """When a line was received, or said (UTC ms); None where it does not tell."""
    try:
        dated = _dates.decode(line)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return None
    return dated.at if dated.received_at is None else dated.received_at


def parse_span(since: str | None, until: str | None, partition: int | None) -> Span:
    """`2026-11-20T18:00Z` is a time, `1234` an offset of `partition`. Raises UsageError."""
    points = {"--from": since, "--to": until}
    offsets = {name: int(text) for name, text in points.items() if text and text.isascii() and text.isdigit()}
    times = {name: _parse_time(name, text) for name, text in points.items() if text and name not in offsets}
    if offsets and partition is None:
        raise UsageError(f"{next(iter(offsets))} is an offset: say of which --partition, or give a time")
    return Span(times.get("--from"), times.get("--to"), partition, offsets.get("--from"), offsets.get("--to"))


def _parse_time(name: str, text: str) -> int:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise UsageError(f"{name} {text}: a time as in 2026-11-20T18:00Z, or an offset") from None
    return int((moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp() * 1000)


def start_of(span: Span, *, in_files: bool) -> dict[int, Position] | None:
    """Where a reader may begin without missing anything of the span; None: at the beginning."""
    if span.partition is None or span.first is None:
        return None
    if not in_files:
        return {span.partition: span.first}
    segment, byte = span.first >> FILE_BYTE_BITS, span.first & ((1 << FILE_BYTE_BITS) - 1)
    return {span.partition: {"next": segment + 1, "open": [[segment, byte, 0]]}}
