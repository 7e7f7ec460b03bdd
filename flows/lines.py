"""Runs of NDJSON lines into frames: fast where all are good, and where one is bad the others still arrive."""

from collections.abc import Sequence
from functools import cached_property
from typing import NamedTuple

import msgspec
import numpy as np
import polars as pl
from numpy.typing import NDArray
from polars.exceptions import ComputeError, PanicException

from flows.topics import Record

LONGEST_LINE_BYTES = 1 << 20

_NEWLINE = ord("\n")
_CUTS = 16
_BLANK_AT_MOST = 8
"""Shorter lines may be blank; no record is that short."""


class Line(NamedTuple):
    """One line and where it stood."""

    record: Record
    number: int
    text: bytes


class BadLine(NamedTuple):
    """A line that could not be used, and why."""

    line: Line
    reason: str
    detail: str


class Lines:
    """The lines of some records, in order; blank ones don't count. Where each stands is found out only when asked."""

    def __init__(self, records: Sequence[Record]) -> None:
        self.records = records

    @cached_property
    def buffer(self) -> bytes:
        return b"\n".join([record.value for record in self.records])

    def __len__(self) -> int:
        return len(self._bounds.starts)

    def texts(self, rows: Sequence[int]) -> list[bytes]:
        starts, ends = self._bounds.starts, self._bounds.ends
        return [self.buffer[starts[row] : ends[row]] for row in rows]

    def line(self, row: int) -> Line:
        record, number = self._origins(np.array([row]))
        return Line(self.records[int(record[0])], int(number[0]), self.texts([row])[0])

    def places(self, rows: NDArray[np.int64]) -> NDArray[np.int64]:
        """The places (`flows.topics`) of some lines."""
        record, number = self._origins(rows)
        return np.array([record.place for record in self.records], np.int64)[record] + number

    def record_numbers(self, rows: NDArray[np.int64]) -> NDArray[np.int64]:
        """For each line the number of its record here."""
        return self._origins(rows)[0]

    def lengths(self) -> NDArray[np.int64]:
        return self._bounds.ends - self._bounds.starts

    def _origins(self, rows: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """For each line the number of its record here, and its own number in that record, blank ones counted."""
        sizes = np.array([len(record.value) + 1 for record in self.records])
        begins = np.cumsum(sizes) - sizes
        record = np.searchsorted(begins, self._bounds.starts[rows], "right") - 1
        first_line = np.searchsorted(self._bounds.every_start, begins)
        return record, self._bounds.numbers[rows] - first_line[record]

    @cached_property
    def _bounds(self) -> "_Bounds":
        ends = np.append(np.flatnonzero(np.frombuffer(self.buffer, np.uint8) == _NEWLINE), len(self.buffer))
        starts = np.append(0, ends[:-1] + 1)
        filled = ends - starts > _BLANK_AT_MOST
        for number in np.flatnonzero(~filled):
            filled[number] = bool(self.buffer[starts[number] : ends[number]].strip())
        return _Bounds(starts, starts[filled], ends[filled], np.flatnonzero(filled))


class _Bounds(NamedTuple):
    """Of the lines in a buffer: where every one starts; and of those not blank, start, end and number."""

    every_start: NDArray[np.int64]
    starts: NDArray[np.int64]
    ends: NDArray[np.int64]
    numbers: NDArray[np.int64]


class Read(NamedTuple):
    """The lines that could be read, one a row; `row_numbers` says which lines they were (None: all)."""

    frame: pl.DataFrame
    row_numbers: NDArray[np.int64] | None
    bad: list[BadLine]

    def line_numbers(self, rows: NDArray[np.int64]) -> NDArray[np.int64]:
        """Which lines some rows of the frame were."""
        return rows if self.row_numbers is None else self.row_numbers[rows]


def read_lines(lines: Lines, schema: pl.Schema) -> Read:
    """Read NDJSON into the columns of `schema`; missing fields are null, others are ignored.

    A number or an object where text is due is taken as its text, as Polars does it; every other mismatch, an overlong
    line, torn JSON and invalid UTF-8 make a bad line each.
    """
    if not _has_overlong(lines):
        frame = _read(lines.buffer, schema)
        if frame is not None:
            return Read(frame, None, [])
    return _read_singly(lines, schema)


def _has_overlong(lines: Lines) -> bool:
    """Steps from line end to line end, a limit at a time: some looks per megabyte."""
    if any(record.oversized for record in lines.records):
        return True
    buffer, at = lines.buffer, -1
    while len(buffer) - at > LONGEST_LINE_BYTES:
        end = buffer.rfind(b"\n", at + 1, at + 2 + LONGEST_LINE_BYTES)
        if end < 0:
            return True
        at = end
    return False


def _read(buffer: bytes, schema: pl.Schema) -> pl.DataFrame | None:
    """The frame, or None if any line of it is bad. Polars panics at some input, which is no Exception."""
    if not buffer.strip():
        return pl.DataFrame(schema=schema)
    try:
        return pl.read_ndjson(buffer, schema=schema)
    except (ComputeError, PanicException):
        return None


def _read_singly(lines: Lines, schema: pl.Schema) -> Read:
    bad = {int(row): _overlong(lines, int(row)) for row in _overlong_rows(lines)}
    rest = [row for row in range(len(lines)) if row not in bad]
    good, frames = _narrow(lines, rest, schema, bad)
    frame = pl.concat(frames) if frames else pl.DataFrame(schema=schema)
    return Read(frame, np.array(good, np.int64), [BadLine(lines.line(row), *why) for row, why in sorted(bad.items())])


def _overlong_rows(lines: Lines) -> NDArray[np.int64]:
    rows = np.arange(len(lines))
    cut = [place for place, record in enumerate(lines.records) if record.oversized]
    return np.flatnonzero((lines.lengths() > LONGEST_LINE_BYTES) | np.isin(lines.record_numbers(rows), cut))


def _overlong(lines: Lines, row: int) -> tuple[str, str]:
    size = lines.line(row).record.oversized or int(lines.lengths()[row])
    return "too_large", f"{size} bytes, at most {LONGEST_LINE_BYTES} are taken"


def _narrow(
    lines: Lines, rows: list[int], schema: pl.Schema, bad: dict[int, tuple[str, str]]
) -> tuple[list[int], list[pl.DataFrame]]:
    """Cut until what is bad stands alone: one bad line among 50,000 costs one more reading of the whole."""
    if not rows:
        return [], []
    texts = lines.texts(rows)
    frame = _read(b"\n".join(texts), schema)
    if frame is not None and len(frame) == len(rows):
        return rows, [frame]
    if len(rows) == 1:
        bad[rows[0]] = _what_is_wrong(texts[0])
        return [], []
    size = -(-len(rows) // _CUTS)
    cuts = [_narrow(lines, rows[start : start + size], schema, bad) for start in range(0, len(rows), size)]
    return [row for good, _ in cuts for row in good], [frame for _, frames in cuts for frame in frames]


def _what_is_wrong(text: bytes) -> tuple[str, str]:
    try:
        text.decode()
        decoded = msgspec.json.decode(text)
    except UnicodeDecodeError as error:
        return "invalid_utf8", str(error)
    except (msgspec.DecodeError, RecursionError) as error:
        return "invalid_json", str(error)
    if not isinstance(decoded, dict):
        return "wrong_shape", f"an object is due, not {type(decoded).__name__}"
    numbers = [name for name, value in decoded.items() if isinstance(value, int) and abs(value) >= 2**63]
    if numbers:
        return "out_of_range", f"{', '.join(numbers)}: beyond 64 bits"
    return "wrong_shape", "a whole number is due where there is something else"
