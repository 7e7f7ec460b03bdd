"""Runs of NDJSON lines into frames: fast where all are good, and where one is bad the others still arrive."""

from collections.abc import Sequence
from ctypes import string_at
from functools import cached_property
from typing import NamedTuple

import numpy as np
import polars as pl
from numpy.typing import NDArray
from polars.exceptions import ComputeError, PanicException

from flows.line_faults import Fault, any_fault, sure_fault
from flows.plain_lines import Bounds, Located, locate
from flows.topics import Record

LONGEST_LINE_BYTES = 1 << 20

_CUTS = 16
_FEW = 1_000


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
    """The lines of some records, in order; blank ones don't count. Whoever reads them first tells where they stand.

    What a reader could not take whole has no lines: it stands apart, in `oversized`.
    """

    def __init__(self, records: Sequence[Record]) -> None:
        self.oversized = [record for record in records if record.oversized]
        self.records = [record for record in records if not record.oversized] if self.oversized else records

    @cached_property
    def located(self) -> Located:
        return locate([record.value for record in self.records])

    def tell(self, bounds: Bounds) -> None:
        self._bounds = bounds

    def texts(self, rows: Sequence[int]) -> list[bytes]:
        both = (self._bounds.starts[rows].tolist(), self._bounds.ends[rows].tolist())
        return [string_at(start, end - start) for start, end in zip(*both, strict=True)]

    def line(self, row: int) -> Line:
        return Line(self.records[self._bounds.records[row]], int(self._bounds.line_numbers[row]), self.texts([row])[0])

    def places(self, rows: NDArray[np.int64]) -> NDArray[np.int64]:
        """The places (`flows.topics`) of some lines."""
        places = np.array([record.place for record in self.records], np.int64)
        return places[self._bounds.records[rows]] + self._bounds.line_numbers[rows]

    def lengths(self) -> NDArray[np.int64]:
        return self._bounds.ends - self._bounds.starts


class Read(NamedTuple):
    """The lines that could be read, one a row; `row_numbers` says which lines they were (None: all)."""

    frame: pl.DataFrame
    row_numbers: NDArray[np.int64] | None
    bad: list[BadLine]

    def line_numbers(self, rows: NDArray[np.int64]) -> NDArray[np.int64]:
        """Which lines some rows of the frame were."""
        return rows if self.row_numbers is None else self.row_numbers[rows]


def cut_records(lines: Lines) -> list[BadLine]:
    """Those that a reader handed over cut, each a bad line."""
    return [_oversized(record) for record in lines.oversized]


def _oversized(record: Record) -> BadLine:
    detail = f"{record.oversized} bytes: too long a line, or more lines than a record may have"
    return BadLine(Line(record, 0, record.value), "too_large", detail)


def _read(buffer: bytes, schema: pl.Schema) -> pl.DataFrame | None:
    """The frame, or None if any line of it is bad. Polars panics at some input, which is no Exception."""
    try:
        return pl.read_ndjson(buffer, schema=schema)
    except (ComputeError, PanicException):
        return None


def read_rows(lines: Lines, rows: NDArray[np.int64], schema: pl.Schema) -> Read:
    """Read some of the lines into the columns of `schema`; missing fields are null, others are ignored.

    A number or an object where text is due is taken as its text, as Polars does it; every other mismatch, an overlong
    line, torn JSON and invalid UTF-8 make a bad line each.
    """
    lengths = lines.lengths()
    overlong = rows[lengths[rows] > LONGEST_LINE_BYTES]
    limit = f"at most {LONGEST_LINE_BYTES} are taken"
    bad = {int(row): Fault("too_large", f"{lengths[row]} bytes, {limit}") for row in overlong}
    rest = [row for row in rows.tolist() if row not in bad]
    good, frames = _narrow(lines, rest, schema, bad)
    frame = pl.concat(frames) if frames else pl.DataFrame(schema=schema)
    singled = [BadLine(lines.line(row), *why) for row, why in sorted(bad.items())]
    return Read(frame, np.array(good, np.int64), singled)


def _narrow(
    lines: Lines, rows: list[int], schema: pl.Schema, bad: dict[int, Fault]
) -> tuple[list[int], list[pl.DataFrame]]:
    """Cut until what is bad stands alone: one bad line among 50,000 costs one more reading of the whole.

    Few enough lines are looked at one by one: to have each refused would take a hundred times as long.
    """
    if not rows:
        return [], []
    texts = lines.texts(rows)
    frame = _read(b"\n".join(texts), schema)
    if frame is not None and len(frame) == len(rows):
        return rows, [frame]
    if len(rows) == 1:
        bad[rows[0]] = any_fault(texts[0], schema)
        return [], []
    if len(rows) <= _FEW:
        faults = {row: fault for row, text in zip(rows, texts, strict=True) if (fault := sure_fault(text, schema))}
        if faults:
            bad |= faults
            return _narrow(lines, [row for row in rows if row not in faults], schema, bad)
    size = -(-len(rows) // _CUTS)
    cuts = [_narrow(lines, rows[start : start + size], schema, bad) for start in range(0, len(rows), size)]
    return [row for good, _ in cuts for row in good], [frame for _, frames in cuts for frame in frames]
