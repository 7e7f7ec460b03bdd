"""Find the objects at a path of many JSON documents, and their fields, without a Python object for each value.

A plain document holds nothing that a reader of JSON at large could take otherwise: the fields' texts are printable
ASCII without escapes, no name comes twice, every object of the path holds the next. A document that is anything else
is only marked, for the provider's `parse` to judge: what is plain is read by both alike.
"""

from collections.abc import Sequence
from typing import NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from flows.providers.json_cells import COUNT, FIRST_OF_LIST, NOT_NULL, NUMBER, STRANGE, TEXT
from flows.providers.json_scan import scan_documents
from flows.words import address

__all__ = ["COUNT", "FIRST_OF_LIST", "NOT_NULL", "NUMBER", "STRANGE", "TEXT", "JsonRows", "Rows"]

Cells: TypeAlias = NDArray[np.int64]
_GUARDED_NEVER = -1
_LONGEST = 1_000_000


class Rows(NamedTuple):
    """What was found: of document `i` the next `counts[i]` rows, in order; -1 where it is not plain: none.

    A column of `cells` holds numbers, or where in the joined documents (UTF-8) a text stands, its length in the upper
    32 bits; `flows.words.NOTHING` is null or missing.
    """

    text: bytes
    counts: Cells
    cells: dict[str, Cells]


class _Names:
    """Names behind one another, and where each ends, as addresses that hold as long as this object."""

    def __init__(self, names: Sequence[str]) -> None:
        self._names = np.frombuffer("".join(names).encode() or b"\0", np.uint8)
        self._ends = np.cumsum([len(name.encode()) for name in names] or [0])
        self.addresses = address(self._names), address(self._ends)


class JsonRows:
    """Finds the objects at `path`, as `entry[].changes[].value`: each step an object, or a list of objects.

    Without a path, the document itself is one or the other.

    `fields` tells what each may hold, the first `required` not null. With `guard`, each object that holds the `level`th
    name of the path holds a certain text under a certain name as well: (level, name, text). `inner` is the name under
    which the first object of a `FIRST_OF_LIST` holds its value.
    """

    def __init__(
        self,
        path: str,
        fields: dict[str, int],
        required: int,
        guard: tuple[int, str, str] = (_GUARDED_NEVER, "", ""),
        inner: str = "",
    ) -> None:
        steps = path.split(".") if path else []
        self._fields = list(fields)
        self._path = _Names([step.removesuffix("[]") for step in steps])
        self._lists = np.array([step.endswith("[]") for step in steps], np.int64)
        self._guard = _Names(guard[1:])
        self._names = _Names([*fields, inner])
        self._kinds = np.array(list(fields.values()), np.int64)
        self._shortest = 1 + sum(len(name) + len('"":0,') for name in self._fields[:required])
        self._spec = (
            *self._path.addresses, address(self._lists), len(steps),
            *self._guard.addresses, guard[0],
            *self._names.addresses, address(self._kinds), len(fields), required, len(fields),
        )  # fmt: skip

    def read(self, documents: Sequence[str]) -> Rows:
        """Documents of more than a million characters are not plain."""
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
