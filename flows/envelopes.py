"""Envelopes of topic `webhook` to status events.

                             ┌▶ plain bodies ─▶ PlainEvents
records ─▶ lines ─▶ requests ┴▶ a BodyReader for each provider ─▶ one frame
                       │                        │
                       └──── dead letters ◀─────┘

A line gives its events or one dead letter, never half, never an exception; and harms no other line.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from typing import Any, NamedTuple

import msgspec
import numpy as np
import polars as pl

from flows.dead_letters import dead_letter
from flows.providers import NO_EVENTS, PROVIDERS, BodyReader, Provider, Reason, Request
from flows.providers.plain_events import PlainEvents, read_plain
from flows.topics import Record
from schemas.errors import BadRecord
from schemas.events import DeadLetter

_CHUNK_BYTES = 256 * 1024
"""Decoded at once: small enough for a core's cache."""
_decoder = msgspec.json.Decoder(Request)


class Parsed(NamedTuple):
    """Events are in `plain` or in `events`, which has exactly `schemas.columns.STATUS_COLUMNS`.

    The dead letters come in the order of their lines.
    """

    plain: list[PlainEvents]
    events: pl.DataFrame
    dead_letters: list[DeadLetter]

    @property
    def event_count(self) -> int:
        return len(self.events) + sum(len(events.statuses) for events in self.plain)


class _Failure(NamedTuple):
    bad: BadRecord
    provider: str | None = None
    received_at: int | None = None
    receipt_id: str | None = None


class _Requests(NamedTuple):
    """Requests, and beside each the number of its line: the lines of all records counted from 0."""

    requests: list[Request]
    lines: list[int]


class _ProviderParsed(NamedTuple):
    plain: list[PlainEvents]
    events: pl.DataFrame
    failures: dict[int, _Failure]


class _Decoded(NamedTuple):
    lines: range
    requests: _Requests
    failures: dict[int, _Failure]


def parse_envelopes(records: Sequence[Record], topic: str, failed_at: int) -> Parsed:
    """The status events of the envelopes in `records`, read from `topic`; what fails is dated `failed_at` (UTC ms).

    Blank lines hold nothing and are no failure.
    """
    failures: dict[int, _Failure] = {}
    found: dict[str, _Requests] = {}
    line = 0
    for chunk in _chunks(records):
        lines, decoded, undecoded = _decode(chunk, line)
        line = lines.stop
        failures |= undecoded
        for name, (requests, of_requests) in _by_provider(decoded).items():
            of_provider = found.setdefault(name, _Requests([], []))
            of_provider.requests.extend(requests)
            of_provider.lines.extend(of_requests)
    plain, frames = [], [NO_EVENTS]
    for name, of_provider in found.items():
        parsed = _parse(_provider(name), of_provider)
        plain += parsed.plain
        frames.append(parsed.events)
        failures |= parsed.failures
    return Parsed(plain, pl.concat(frames), list(_letters(records, failures, topic, failed_at)))


def _parse(provider: Provider, found: _Requests) -> _ProviderParsed:
    plain, left = read_plain(provider, found.requests)
    reader = BodyReader(provider)
    reader.read([found.requests[place] for place in left])
    frame, refused = reader.events()
    failures = {
        found.lines[left[body]]: _Failure(bad, provider.name, received_at, receipt_id)
        for body, (bad, received_at, receipt_id) in refused.items()
    }
    return _ProviderParsed(plain, frame, failures)


def _chunks(records: Sequence[Record]) -> Iterator[bytes]:
    """All lines of `records`, each with its end, in runs of some `_CHUNK_BYTES`; for a cut record a blank line."""
    lines = b"".join(map(_whole_lines, records))
    start = 0
    while start < len(lines):
        end = lines.find(b"\n", start + _CHUNK_BYTES) + 1 or len(lines)
        yield lines[start:end]
        start = end


def _whole_lines(record: Record) -> bytes:
    if record.oversized:
        return b"\n"
    return record.value if record.value.endswith(b"\n") else record.value + b"\n"


def _decode(chunk: bytes, first: int) -> _Decoded:
    """All lines in one go; line by line where that may not give one request a line."""
    data = np.frombuffer(chunk, np.uint8)
    ends = np.flatnonzero(data == ord("\n"))
    lines = range(first, first + len(ends))
    # The decoder takes two objects on a line, and one on two lines. No newline inside of an object has "}" before it
    # and "{" behind it.
    if (data[ends - 1] == ord("}")).all() and (data[ends[:-1] + 1] == ord("{")).all():
        with suppress(msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
            requests = _decoder.decode_lines(chunk)
            if len(requests) == len(lines):
                return _Decoded(lines, _Requests(requests, list(lines)), {})
    return _decode_apart(chunk, lines)


def _decode_apart(chunk: bytes, lines: range) -> _Decoded:
    requests: dict[int, Request] = {}
    failures: dict[int, _Failure] = {}
    for number, line in zip(lines, chunk.split(b"\n"), strict=False):
        try:
            if line.strip():
                requests[number] = _decoder.decode(line)
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
            failures[number] = _Failure(BadRecord(Reason.BAD_ENVELOPE, str(error)))
    return _Decoded(lines, _Requests(list(requests.values()), list(requests)), failures)


def _by_provider(decoded: _Requests) -> dict[str, _Requests]:
    names = {request.provider for request in decoded.requests}
    return {name: decoded if len(names) == 1 else _of_provider(name, decoded) for name in sorted(names)}


def _of_provider(name: str, decoded: _Requests) -> _Requests:
    places = [place for place, request in enumerate(decoded.requests) if request.provider == name]
    return _Requests([decoded.requests[place] for place in places], [decoded.lines[place] for place in places])


def _provider(name: str) -> Provider:
    return PROVIDERS.get(name) or Provider(name=name, statuses={}, parse=_refuse)


def _refuse(request: Request) -> list[Any]:
    raise BadRecord(Reason.UNKNOWN_PROVIDER, f"{request.provider!r} is none of {', '.join(PROVIDERS)}")


def _letters(
    records: Sequence[Record], failures: Mapping[int, _Failure], topic: str, failed_at: int
) -> Iterator[DeadLetter]:
    first = 0
    for record in records:
        # A cut record is one line; of others, the last one's end is none between lines.
        end = first + (1 if record.oversized else record.value.count(b"\n", 0, -1) + 1)
        if record.oversized or not failures.keys().isdisjoint(range(first, end)):
            yield from _record_letters(record, failures, first, topic, failed_at)
        first = end


def _record_letters(
    record: Record, failures: Mapping[int, _Failure], first: int, topic: str, failed_at: int
) -> Iterator[DeadLetter]:
    lines = [record.value] if record.oversized else record.value.removesuffix(b"\n").split(b"\n")
    for line, payload in enumerate(lines):
        failure = _Failure(BadRecord(Reason.TOO_LARGE)) if record.oversized else failures.get(first + line)
        if failure:
            bad, provider, received_at, receipt_id = failure
            yield dead_letter(
                bad.reason, bad.detail, topic, record, line, payload, failed_at, provider, received_at, receipt_id
            )
