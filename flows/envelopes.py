"""Envelopes of topic `webhook` to status events.

records ─▶ lines ─▶ requests ─▶ a BodyReader for each provider ─▶ one frame
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
from flows.topics import Record
from schemas.errors import BadRecord
from schemas.events import DeadLetter

_CHUNK_BYTES = 256 * 1024
"""Decoded at once: small enough for a core's cache."""
_decoder = msgspec.json.Decoder(Request)


class Parsed(NamedTuple):
    """`events` has exactly `schemas.columns.STATUS_COLUMNS`; the dead letters come in the order of their lines."""

    events: pl.DataFrame
    dead_letters: list[DeadLetter]


class _Failure(NamedTuple):
    bad: BadRecord
    provider: str | None = None
    received_at: int | None = None
    receipt_id: str | None = None


class _Requests(NamedTuple):
    """Requests, and beside each the number of its line: the lines of all records counted from 0."""

    requests: list[Request]
    lines: Sequence[int]


class _Decoded(NamedTuple):
    lines: range
    requests: _Requests
    failures: dict[int, _Failure]


def parse_envelopes(records: Sequence[Record], topic: str, failed_at: int) -> Parsed:
    """The status events of the envelopes in `records`, read from `topic`; what fails is dated `failed_at` (UTC ms).

    Events of one provider keep the order of their lines. Blank lines hold nothing and are no failure.
    """
    failures: dict[int, _Failure] = {}
    readers: dict[str, BodyReader] = {}
    lines_read: dict[str, list[int]] = {}
    line = 0
    for chunk in _chunks(records):
        lines, decoded, undecoded = _decode(chunk, line)
        line = lines.stop
        failures |= undecoded
        for name, (requests, of_requests) in _by_provider(decoded).items():
            readers.setdefault(name, BodyReader(_provider(name))).read(requests)
            lines_read.setdefault(name, []).extend(of_requests)
    frames = [NO_EVENTS]
    for name, reader in readers.items():
        frame, refused = reader.events()
        frames.append(frame)
        for body, (bad, received_at, receipt_id) in refused.items():
            failures[lines_read[name][body]] = _Failure(bad, name, received_at, receipt_id)
    return Parsed(pl.concat(frames), list(_letters(records, failures, topic, failed_at)))


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
                return _Decoded(lines, _Requests(requests, lines), {})
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
    if not failures and not any(record.oversized for record in records):
        return
    for number, (record, line, payload) in enumerate(_lines(records)):
        failure = _Failure(BadRecord(Reason.TOO_LARGE)) if record.oversized else failures.get(number)
        if failure:
            bad, provider, received_at, receipt_id = failure
            yield dead_letter(
                bad.reason, bad.detail, topic, record, line, payload, failed_at, provider, received_at, receipt_id
            )


def _lines(records: Sequence[Record]) -> Iterator[tuple[Record, int, bytes]]:
    """Every line with its record and its number there; a cut record is one line."""
    for record in records:
        lines = [record.value] if record.oversized else record.value.removesuffix(b"\n").split(b"\n")
        for number, line in enumerate(lines):
            yield record, number, line
