"""NDJSON lines into columns: plain ones straight, which are nearly all; what isn't plain by the general reader."""

from collections.abc import Callable, Sequence
from functools import cached_property
from typing import NamedTuple

import numpy as np
import polars as pl

from flows.lines import LONGEST_LINE_BYTES, Lines, Read, cut_records, read_rows
from flows.plain_lines import Flags, Plain, PlainReader, text_column


class Fields(NamedTuple):
    """Names by what becomes of them."""

    recurring: Sequence[str]
    hashed: Sequence[str]
    texts: Sequence[str]
    integers: Sequence[str]
    flags: Sequence[str]


class Straight(NamedTuple):
    """What the plain reader found, to be made columns: a row for each line, empty where it isn't plain."""

    plain: Plain
    fields: Fields

    def recurring(self) -> list[pl.Series]:
        """Text of which there are few: Categorical."""
        return [found.column(name) for name, found in zip(self.fields.recurring, self.plain.recurring, strict=True)]

    def text(self, name: str, where: Flags | None = None) -> pl.Series:
        """Text that doesn't recur; null where `where` is false."""
        place = self.fields.texts.index(name)
        lengths = self.plain.lengths[place]
        if where is not None:
            lengths = np.where(where, lengths, np.int32(-1))
        return text_column(name, self.plain.starts[place], lengths)

    def hashes(self, name: str) -> pl.Series:
        """`fingerprint` of each text."""
        return pl.Series(name, self.plain.hashes[self.fields.hashed.index(name)])

    def whole_numbers(self) -> list[pl.Series]:
        return [self._number(name) for name in self.fields.integers]

    def flag(self, name: str) -> pl.Series:
        return self._number(name).cast(pl.Boolean)

    def lacks(self, name: str) -> Flags:
        """Where a text that recurs, or a number, is missing."""
        if name in self.fields.recurring:
            lacking: Flags = self.plain.recurring[self.fields.recurring.index(name)].codes == 0
            return lacking
        return self._absent(name)

    def _number(self, name: str) -> pl.Series:
        column = pl.Series(name, self.plain.numbers[self._place(name)])
        absent = self._absent(name)
        return column.set(pl.Series(absent), None) if absent.any() else column

    def _absent(self, name: str) -> Flags:
        absent: Flags = self.plain.absent[self._place(name)]
        return absent

    def _place(self, name: str) -> int:
        return [*self.fields.integers, *self.fields.flags].index(name)


class LineReader:
    """Reads lines into one frame: `straight` gives it for plain lines, `general` for what was read by `schema`.

    `schema` knows String, Int64 and Boolean. Rows keep their order, those of lines that aren't plain behind the rest.
    """

    def __init__(
        self,
        schema: pl.Schema,
        straight: Callable[[Straight], pl.DataFrame],
        general: Callable[[pl.DataFrame], pl.DataFrame],
        *,
        recurring: Sequence[str],
        hashed: Sequence[str] = (),
    ) -> None:
        def those(kind: type[pl.DataType]) -> list[str]:
            return [name for name, its in schema.items() if its == kind and name not in (*recurring, *hashed)]

        self._schema = schema
        self._fields = Fields(recurring, hashed, those(pl.String), those(pl.Int64), those(pl.Boolean))
        self._columns = straight
        self._general = general

    @cached_property
    def _plain(self) -> PlainReader:
        return PlainReader(*self._fields)

    def read(self, lines: Lines) -> Read:
        plain = self._plain.read(lines.located)
        lines.tell(plain.bounds)
        good = plain.plain & (lines.lengths() <= LONGEST_LINE_BYTES)
        columns = self._columns(Straight(plain, self._fields))
        if good.all():
            return Read(columns, None, cut_records(lines))
        rest = read_rows(lines, np.flatnonzero(~good), self._schema)
        frame = pl.concat([columns.filter(pl.Series(good)), self._general(rest.frame)])
        numbers = np.concatenate([np.flatnonzero(good), rest.line_numbers(np.arange(len(rest.frame)))])
        return Read(frame, numbers, cut_records(lines) + rest.bad)
