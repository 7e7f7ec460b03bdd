"""Read plain NDJSON lines straight into columns, for half of what a reader of JSON at large costs.

A plain line is one flat object of our fields, as our own writers write it: whole numbers, null, and text in printable
ASCII without escapes; fields in any order, others ignored if they are as plain. Lines that are anything else are only
marked, for the general reader to judge: what is plain is read by both alike.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import polars as pl
import pyarrow as pa
from numpy.typing import NDArray

from flows.plain_scan import FIELDS_AT_MOST, count_lines, scan
from flows.text_table import gather_texts, hash_texts, intern_texts
from flows.words import address

Bytes = NDArray[np.uint8]
Flags = NDArray[np.bool_]
Offsets = NDArray[np.int32]
"""Into a buffer of less than 2 GiB."""


class Plain(NamedTuple):
    """Lines of a buffer in order, blank ones left out: a row each, its columns filled where `plain`.

    `numbers[i]` belongs to the i-th integer field; where `absent`, it was null or missing. `starts[i]` and `lengths[i]`
    tell where in the buffer the i-th text field stands; a length of -1 is null.
    """

    plain: Flags
    begins: NDArray[np.int64]
    ends: NDArray[np.int64]
    numbers: NDArray[np.int64]
    absent: Flags
    starts: NDArray[np.int32]
    lengths: NDArray[np.int32]


class PlainReader:
    """Reads the given fields: `texts`, then `integers`, at most `FIELDS_AT_MOST` in all."""

    def __init__(self, texts: Sequence[str], integers: Sequence[str]) -> None:
        names = [name.encode() for name in (*texts, *integers)]
        assert len(names) <= FIELDS_AT_MOST
        self._texts = len(texts)
        self._names = np.frombuffer(b"".join(names), np.uint8)
        self._name_ends = np.cumsum([len(name) for name in names])

    def read(self, buffer: Bytes) -> Plain:
        assert len(buffer) < 1 << 31
        integers = len(self._name_ends) - self._texts
        rows = count_lines(buffer)
        plain, begins, ends = np.zeros(rows, np.bool_), np.empty(rows, np.int64), np.empty(rows, np.int64)
        numbers, absent = np.zeros((integers, rows), np.int64), np.ones((integers, rows), np.bool_)
        starts, lengths = np.zeros((self._texts, rows), np.int32), np.full((self._texts, rows), -1, np.int32)
        fields = address(self._names), address(self._name_ends), len(self._name_ends), self._texts
        text = address(buffer)
        filled = scan(
            text, text + np.uint64(len(buffer)), *fields, plain, begins, ends, numbers, absent, starts, lengths
        )
        kept = slice(0, filled)
        kept_of = (numbers[:, kept], absent[:, kept], starts[:, kept], lengths[:, kept])
        return Plain(plain[kept], begins[kept], ends[kept], *kept_of)


def interned(buffer: Bytes, starts: Offsets, lengths: Offsets) -> tuple[NDArray[np.uint32], list[str]]:
    """For each text its number among the distinct ones, and these; null counts as empty."""
    if (lengths < 0).all():
        return np.zeros(len(lengths), np.uint32), [""] * (len(lengths) > 0)
    codes, firsts = intern_texts(buffer, starts, lengths)
    return codes, [bytes(buffer[starts[row] : starts[row] + max(0, lengths[row])]).decode() for row in firsts.tolist()]


def as_categorical(name: str, codes: NDArray[np.uint32], distinct: Sequence[str | None]) -> pl.Series:
    """The texts as a column."""
    return pl.Series(name, distinct, pl.Categorical).gather(pl.Series(codes))


def text_column(name: str, buffer: Bytes, starts: Offsets, lengths: Offsets) -> pl.Series:
    """The texts themselves, null where the length is negative."""
    if (lengths < 0).all():
        return pl.repeat(None, len(starts), dtype=pl.String, eager=True).alias(name)
    ends = np.zeros(len(starts) + 1, np.int64)
    np.cumsum(np.maximum(lengths, 0), out=ends[1:])
    valid = np.packbits(lengths >= 0, bitorder="little")
    parts = (valid, ends, gather_texts(buffer, starts, ends))
    column = pa.Array.from_buffers(pa.large_string(), len(starts), [pa.py_buffer(part) for part in parts])
    return pl.Series(name, column)


def fingerprints(buffer: Bytes, starts: Offsets, lengths: Offsets) -> NDArray[np.uint32]:
    """A 32-bit hash of each text (FNV-1a, http://www.isthe.com/chongo/tech/comp/fnv), of null that of the empty one."""
    found: NDArray[np.uint32] = hash_texts(buffer, starts, lengths)
    return found


def fingerprint(text: str | None) -> int:
    """The same of a single text."""
    encoded = np.frombuffer((text or "").encode(), np.uint8)
    return int(fingerprints(encoded, np.zeros(1, np.int32), np.array([len(encoded)], np.int32))[0])
