"""Which objects of many JSON documents are rows, and what their fields may hold: read by `flows.providers.json_reader`.

Nothing here is compiled: who only verifies webhooks has no use for numba's 125 MB.
"""

from collections.abc import Sequence
from typing import NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

Cells: TypeAlias = NDArray[np.int64]

TEXT, NUMBER, COUNT, FIRST_OF_LIST, STRANGE, CODE = range(6)
"""What a field may hold: text; a whole number from 0 on; the same, also as text; an array whose first object has such a
number under a name of its own, read as text; nothing that is read here; that number itself. Each may be null, but for
`+ NOT_NULL`."""
NOT_NULL = 8
_GUARDED_NEVER = -1


class Rows(NamedTuple):
    """What was found: of document `i` the next `counts[i]` rows, in order; -1 where it is not plain: none.

    A column of `cells` holds numbers, or where in the joined documents (UTF-8) a text stands, its length in the upper
    32 bits; `flows.words.NOTHING` is null or missing.
    """

    text: bytes
    counts: Cells
    cells: dict[str, Cells]


class JsonRows:
    """The objects at `path`, as `entry[].changes[].value`: each step an object, or a list of objects.

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
        self.path: Sequence[str] = path.split(".") if path else []
        self.fields = fields
        self.required = required
        self.guard = guard
        self.inner = inner
