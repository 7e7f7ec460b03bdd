"""NDJSON lines into columns: plain ones straight, which are nearly all; what isn't plain by the general reader."""

from collections.abc import Callable, Sequence
from functools import cached_property
from typing import NamedTuple

import numpy as np
import polars as pl

from flows.lines import LONGEST_LINE_BYTES, Lines, Read, cut_records, read_rows
from flows.plain_lines import Bytes, Flags, Plain, PlainReader, as_categorical, fingerprints, interned, text_column


class Straight(NamedTuple):
    """What the plain reader found, to be made columns: a row for each line, empty where it isn't plain."""

    buffer: Bytes
    plain: Plain
    texts: Sequence[str]
    integers: Sequence[str]

    def recurring(self, name: str) -> pl.Series:
        """Text of which there are few: Categorical, so that it is compared and sent as numbers."""
        place = self.texts.index(name)
        starts, lengths = self.plain.starts[place], self.plain.lengths[place]
        codes, distinct = interned(self.buffer, starts, lengths)
        codes[lengths < 0] = len(distinct)
        return as_categorical(name, codes, [*distinct, None])

    def text(self, name: str, where: Flags | None = None) -> pl.Series:
        """Text that doesn't recur; null where `where` is false."""
        place = self.texts.index(name)
        lengths = self.plain.lengths[place]
        if where is not None:
            lengths = np.where(where, lengths, np.int32(-1))
        return text_column(name, self.buffer, self.plain.starts[place], lengths)

    def fingerprints(self, name: str) -> pl.Series:
        place = self.texts.index(name)
        return pl.Series(name, fingerprints(self.buffer, self.plain.starts[place], self.plain.lengths[place]))

    def whole_numbers(self) -> list[pl.Series]:
        columns = [pl.Series(name, self.plain.numbers[place]) for place, name in enumerate(self.integers)]
        return [
            column.set(pl.Series(absent), None) if (absent := self._absent(column.name)).any() else column
            for column in columns
        ]

    def lacks(self, name: str) -> Flags:
        return self._absent(name) if name in self.integers else self.plain.lengths[self.texts.index(name)] < 0

    def _absent(self, name: str) -> Flags:
        absent: Flags = self.plain.absent[self.integers.index(name)]
        return absent


class LineReader:
    """Reads lines into one frame: `straight` gives it for plain lines, `general` for what was read by `schema`."""

    def __init__(
        self,
        schema: pl.Schema,
        straight: Callable[[Straight], pl.DataFrame],
        general: Callable[[pl.DataFrame], pl.DataFrame],
    ) -> None:
        self._schema = schema
        self._texts = [name for name, kind in schema.items() if kind == pl.String]
        self._integers = [name for name, kind in schema.items() if kind == pl.Int64]
        self._others = [name for name, kind in schema.items() if kind not in (pl.String, pl.Int64)]
        self._columns = straight
        self._general = general

    @cached_property
    def _plain(self) -> PlainReader:
        """Fields of other types are read as numbers: where one has a value that is none, the line is not plain."""
        return PlainReader(self._texts, [*self._integers, *self._others])

    def read(self, lines: Lines) -> Read:
        buffer = np.frombuffer(lines.buffer, np.uint8)
        plain = self._plain.read(buffer)
        lines.tell(plain.begins, plain.ends)
        good = plain.plain & (lines.lengths() <= LONGEST_LINE_BYTES)
        for place in range(len(self._integers), len(plain.absent)):
            good &= plain.absent[place]
        columns = self._columns(Straight(buffer, plain, self._texts, self._integers))
        if good.all():
            return Read(columns, None, cut_records(lines))
        rest = read_rows(lines, np.flatnonzero(~good), self._schema)
        frame = pl.concat([columns.filter(pl.Series(good)), self._general(rest.frame)])
        numbers = np.concatenate([np.flatnonzero(good), rest.line_numbers(np.arange(len(rest.frame)))])
        order = np.argsort(numbers)
        return Read(frame[order], numbers[order], cut_records(lines) + rest.bad)
