"""Read plain NDJSON lines straight into columns, for half of what a reader of JSON at large costs.

A plain line is one flat object of our fields, as our own writers write it: whole numbers, null, and text in printable
ASCII without escapes; fields in any order, others ignored if they are as plain. Lines that are anything else are only
marked, for the general reader to judge: what is plain is read by both alike.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import polars as pl
from numpy.typing import NDArray

from flows.plain_scan import count_lines, hash_texts, intern_texts, scan

Ints = NDArray[np.int64]
Flags = NDArray[np.bool_]


class Plain(NamedTuple):
    """Lines of a buffer in order, blank ones left out: a row each, its columns filled where `plain`.

    `numbers[i]` belongs to the i-th integer field; where `absent`, it was null or missing. `starts[i]` and `lengths[i]`
    tell where in the buffer the i-th text field stands; a length of -1 is null.
    """

    plain: Flags
    begins: Ints
    numbers: NDArray[np.int64]
    absent: NDArray[np.bool_]
    starts: NDArray[np.int64]
    lengths: NDArray[np.int64]


class PlainReader:
    """Reads the given fields: `texts`, then `integers`, at most 60 in all."""

    def __init__(self, texts: Sequence[str], integers: Sequence[str]) -> None:
        names = [name.encode() for name in (*texts, *integers)]
        self._texts = len(texts)
        self._names = np.frombuffer(b"".join(names), np.uint8)
        self._name_ends = np.cumsum([len(name) for name in names])

    def read(self, buffer: NDArray[np.uint8]) -> Plain:
        integers = len(self._name_ends) - self._texts
        rows = count_lines(buffer)
        plain, begins = np.zeros(rows, np.bool_), np.empty(rows, np.int64)
        numbers, absent = np.zeros((integers, rows), np.int64), np.ones((integers, rows), np.bool_)
        starts, lengths = np.zeros((self._texts, rows), np.int64), np.full((self._texts, rows), -1, np.int64)
        filled = scan(
            buffer, self._names, self._name_ends, self._texts, plain, begins, numbers, absent, starts, lengths
        )
        kept = slice(0, filled)
        return Plain(plain[kept], begins[kept], numbers[:, kept], absent[:, kept], starts[:, kept], lengths[:, kept])


def interned(buffer: NDArray[np.uint8], starts: Ints, lengths: Ints) -> tuple[NDArray[np.uint32], list[str]]:
    """For each text its number among the distinct ones, and these; null counts as empty."""
    codes, firsts = intern_texts(buffer, starts, lengths)
    return codes, [bytes(buffer[starts[row] : starts[row] + max(0, lengths[row])]).decode() for row in firsts.tolist()]


def as_categorical(name: str, codes: NDArray[np.uint32], distinct: list[str]) -> pl.Series:
    """The texts as a column."""
    return pl.Series(name, distinct, pl.Categorical).gather(pl.Series(codes))


def fingerprints(buffer: NDArray[np.uint8], starts: Ints, lengths: Ints) -> NDArray[np.uint32]:
    """A 32-bit hash of each text (FNV-1a, http://www.isthe.com/chongo/tech/comp/fnv), of null that of the empty one."""
    found: NDArray[np.uint32] = hash_texts(buffer, starts, lengths)
    return found


def fingerprint(text: str | None) -> int:
    """The same of a single text."""
    encoded = np.frombuffer((text or "").encode(), np.uint8)
    return int(hash_texts(encoded, np.zeros(1, np.int64), np.array([len(encoded)]))[0])
