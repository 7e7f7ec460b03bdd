"""Find the objects at a path of many JSON documents, and their fields, without a Python object for each value.

A plain document holds nothing that a reader of JSON at large could take otherwise: the fields' texts are printable
ASCII without escapes, no name comes twice, every object of the path holds the next. A document that is anything else
is only marked, for the provider's `parse` to judge: what is plain is read by both alike.
"""

from collections.abc import Sequence
from functools import cache

import numpy as np

from flows.providers.json_rows import JsonRows, Rows
from flows.providers.json_scan import scan_documents
from flows.words import address

_LONGEST = 1_000_000


class _Names:
    """Names behind one another, and where each ends, as addresses that hold as long as this object."""

    def __init__(self, names: Sequence[str]) -> None:
        self._names = np.frombuffer("".join(names).encode() or b"\0", np.uint8)
        self._ends = np.cumsum([len(name.encode()) for name in names] or [0])
        self.addresses = address(self._names), address(self._ends)


class _Reader:
    def __init__(self, rows: JsonRows) -> None:
        self._fields = list(rows.fields)
        self._path = _Names([step.removesuffix("[]") for step in rows.path])
        self._lists = np.array([step.endswith("[]") for step in rows.path], np.int64)
        self._guard = _Names(rows.guard[1:])
        self._names = _Names([*self._fields, rows.inner])
        self._kinds = np.array(list(rows.fields.values()), np.int64)
        self._shortest = 1 + sum(len(name) + len('"":0,') for name in self._fields[: rows.required])
        self._spec = (
            *self._path.addresses, address(self._lists), len(rows.path),
            *self._guard.addresses, rows.guard[0],
            *self._names.addresses, address(self._kinds), len(self._fields), rows.required, len(self._fields),
        )  # fmt: skip

    def read(self, documents: Sequence[str]) -> Rows:
        lengths = np.fromiter(map(len, documents), np.int64, len(documents))
        if (lengths > _LONGEST).any():
            return self.read([text if len(text) <= _LONGEST else "" for text in documents])
        joined = "".join(documents).encode()
        if len(joined) != lengths.sum():
            lengths = np.fromiter((len(document.encode()) for document in documents), np.int64, len(documents))
        assert len(joined) < 1 << 31
        text = np.frombuffer(joined, np.uint8)
        # No page of it is touched before there is a row in it.
        cells = np.empty((len(joined) // self._shortest + 1, len(self._fields)), np.int64)
        counts = np.empty(len(documents), np.int64)
        rows = scan_documents(address(text), lengths, counts, *self._spec, address(cells))
        columns = np.ascontiguousarray(cells[:rows].T)
        return Rows(joined, counts, dict(zip(self._fields, columns, strict=True)))


_reader_of = cache(_Reader)


def read_documents(rows: JsonRows, documents: Sequence[str]) -> Rows:
    """Documents of more than a million characters are not plain."""
    return _reader_of(rows).read(documents)
