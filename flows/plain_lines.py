"""Read plain NDJSON lines straight into columns, for half of what a reader of JSON at large costs.

A plain line is one flat object of our fields, as our own writers write it: whole numbers, true and false, null, and
text in printable ASCII without escapes; fields in any order, others ignored if they are as plain, or decimals. Lines
that are anything else are only marked, for the general reader to judge: what is plain is read by both alike.
"""

from collections.abc import Sequence
from ctypes import string_at
from itertools import accumulate
from typing import NamedTuple

import numpy as np
import polars as pl
import pyarrow as pa
from numpy.typing import NDArray

from flows.plain_scan import FIELDS_AT_MOST, count_lines, scan
from flows.text_table import gather_texts, hash_text, intern_texts
from flows.words import address

Bytes = NDArray[np.uint8]
Flags = NDArray[np.bool_]
Places = NDArray[np.int64]
"""Addresses; whoever uses them keeps alive what stands there."""
Lengths = NDArray[np.int32]
_SPARE = 1.1
_FEW = 100
_LARGE_BYTES = 4096


class Located(NamedTuple):
    """Where some byte strings stand, for as long as this is kept."""

    addresses: Places
    sizes: NDArray[np.int64]
    kept: object


def locate(values: Sequence[bytes]) -> Located:
    """Large ones where they are; small ones are copied behind one another, for less than asking where each is."""
    if sum(map(len, values)) > _LARGE_BYTES * len(values):
        addresses = np.fromiter((pa.py_buffer(value).address for value in values), np.int64, len(values))
        return Located(addresses, np.fromiter(map(len, values), np.int64, len(values)), values)
    column = pa.array(values, pa.large_binary())
    _, ends, copy = column.buffers()
    offsets = np.frombuffer(ends, np.int64, len(values) + 1)
    return Located(offsets[:-1] + copy.address, np.diff(offsets), copy)


class Bounds(NamedTuple):
    """Lines in order, blank ones left out: the addresses where each starts and ends, its record's place among those
    read, and its own number in that record, blank ones counted."""

    starts: Places
    ends: Places
    records: NDArray[np.int32]
    line_numbers: NDArray[np.int32]


class Plain(NamedTuple):
    """The lines within `bounds`: a row each, its columns filled where `plain`.

    `recurring[i]` belongs to the i-th field of text that recurs, `hashes[i]` to the i-th of text that is hashed, null
    counting as empty; `starts[i]` and `lengths[i]` tell where the i-th text of the others stands, a length of -1 being
    null. `numbers[i]` belongs to the i-th integer field, flags (0 or 1) behind them; where `absent`, it was null or
    missing.
    """

    plain: Flags
    bounds: Bounds
    numbers: NDArray[np.int64]
    absent: Flags
    starts: Places
    lengths: Lengths
    hashes: NDArray[np.uint32]
    recurring: list["Coded"]


class Coded(NamedTuple):
    """Texts as codes: what each stands for, null first. A text may have several, if there are many."""

    codes: NDArray[np.uint32]
    texts: list[str | None]

    def column(self, name: str) -> pl.Series:
        """Categorical, so that texts are compared and sent as numbers."""
        if len(self.texts) == 1:
            return pl.repeat(None, len(self.codes), dtype=pl.Categorical, eager=True).alias(name)
        return as_categorical(name, self.codes, self.texts)


class PlainReader:
    """Reads the given fields, at most `FIELDS_AT_MOST` in all; `Plain` tells what becomes of each kind."""

    def __init__(
        self,
        recurring: Sequence[str],
        hashed: Sequence[str],
        texts: Sequence[str],
        integers: Sequence[str],
        flags: Sequence[str],
    ) -> None:
        kinds = (recurring, hashed, texts, integers, flags)
        names = [name.encode() for kind in kinds for name in kind]
        assert len(names) <= FIELDS_AT_MOST
        self._recurring, self._hashed, self._texts = len(recurring), len(hashed), len(texts)
        self._counted = len(integers) + len(flags)
        self._ends = tuple(accumulate(map(len, kinds)))
        self._names = np.frombuffer(b"".join(names), np.uint8)
        self._name_ends = np.cumsum([len(name) for name in names])
        self._lines_per_byte = 0.0

    def read(self, records: Located) -> Plain:
        """The records must be kept for as long as what is returned."""
        size = int(records.sizes.sum())
        found = self._read(records, int(size * self._lines_per_byte * _SPARE) + _FEW)
        found = found or self._read(records, count_lines(records.addresses, records.sizes))
        assert found, "as many rows as lines"
        self._lines_per_byte = len(found.plain) / max(1, size)
        return found

    def _read(self, records: Located, rows: int) -> Plain | None:
        """None if there are more rows than expected."""
        plain, spans, origins = np.empty(rows, np.bool_), np.empty((2, rows), np.int64), np.empty((2, rows), np.int32)
        numbers, absent = np.zeros((self._counted, rows), np.int64), np.ones((self._counted, rows), np.bool_)
        starts, lengths = np.zeros((self._texts, rows), np.int64), np.full((self._texts, rows), -1, np.int32)
        hashes = np.full((self._hashed, rows), fingerprint(None), np.uint32)
        codes, counts = np.zeros((self._recurring, rows), np.uint32), np.zeros(self._recurring, np.int64)
        known = np.empty((self._recurring, rows + 1, 2), np.int64)
        names = address(self._names), address(self._name_ends)
        columns = plain, spans, origins, numbers, absent, starts, lengths, hashes, codes, known, counts
        filled = scan(records.addresses, records.sizes, names, self._ends, *columns)
        if filled < 0:
            return None
        kept = slice(0, filled)
        bounds = Bounds(spans[0, kept], spans[1, kept], origins[0, kept], origins[1, kept])
        recurring = [
            Coded(
                codes[field, kept],
                [None, *(string_at(*text).decode() for text in known[field, 1 : count + 1].tolist())],
            )
            for field, count in enumerate(counts.tolist())
        ]
        located = starts[:, kept], lengths[:, kept]
        return Plain(plain[kept], bounds, numbers[:, kept], absent[:, kept], *located, hashes[:, kept], recurring)


def interned(starts: Places, lengths: Lengths) -> tuple[NDArray[np.uint32], list[str]]:
    """For each text its number among the distinct ones, and these; null counts as empty."""
    if (lengths < 0).all():
        return np.zeros(len(lengths), np.uint32), [""] * (len(lengths) > 0)
    codes, firsts = intern_texts(starts, lengths)
    return codes, [string_at(int(starts[row]), max(0, lengths[row])).decode() for row in firsts.tolist()]


def as_categorical(name: str, codes: NDArray[np.uint32], distinct: Sequence[str | None]) -> pl.Series:
    """The texts as a column."""
    return pl.Series(name, distinct, pl.Categorical).gather(pl.Series(codes))


def text_column(name: str, starts: Places, lengths: Lengths) -> pl.Series:
    """The texts themselves, null where the length is negative."""
    if (lengths < 0).all():
        return pl.repeat(None, len(starts), dtype=pl.String, eager=True).alias(name)
    ends = np.zeros(len(starts) + 1, np.int64)
    np.cumsum(np.maximum(lengths, 0), out=ends[1:])
    valid = np.packbits(lengths >= 0, bitorder="little")
    parts = (valid, ends, gather_texts(starts, ends))
    column = pa.Array.from_buffers(pa.large_string(), len(starts), [pa.py_buffer(part) for part in parts])
    return pl.Series(name, column)


def fingerprint(text: str | None) -> int:
    """A 32-bit hash, of null that of the empty text."""
    encoded = np.frombuffer((text or "").encode(), np.uint8)
    return int(hash_text(address(encoded), np.uint64(len(encoded))))
