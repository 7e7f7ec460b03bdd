"""The way through JSON documents to the objects that are their rows. Compiled by numba, free of the GIL.

A document is walked along its path only; whatever lies beside it is skipped, but checked to be JSON (RFC 8259).
"""

import numpy as np
from numba import int64, njit, uint64

from flows.providers.json_cells import lacks, read_row
from flows.providers.json_skip import CLOSE, CLOSE_LIST, COLON, COMMA, OPEN, OPEN_LIST, behind, blank_end, skipped
from flows.words import NOT_PLAIN, QUOTE, WORD, byte, named, text_end, word

_0 = np.uint64(0)
_1 = np.uint64(1)
_GUARD = np.int64(1 << 62)
"""Of what is missing; the level of the path has the lower bits."""


@njit(cache=True, nogil=True)
def _entered(at, end, is_list):
    """(at, whether there is an object) behind the brace of the first object at `at`, or behind an empty list."""
    if is_list:
        at = behind(at, end, OPEN_LIST)
        if at == NOT_PLAIN:
            return at, False
        at = blank_end(at, end)
        if at < end and byte(at) == CLOSE_LIST:
            return at + _1, False
    return behind(at, end, OPEN), True


@njit(cache=True, nogil=True)
def _left(at, end, level, lists, in_list):
    """(at, level, whether another object follows) behind an object of `level` whose brace was just read; `in_list`:
    the first level is one, too.
    """
    if (level == 0 and not in_list) or (level > 0 and word(lists + WORD * np.uint64(level - 1)) == _0):
        return at, level - 1, False
    at = blank_end(at, end)
    if at >= end or (byte(at) != COMMA and byte(at) != CLOSE_LIST):
        return NOT_PLAIN, level, False
    if byte(at) == COMMA:
        return behind(at + _1, end, OPEN), level, True
    return at + _1, level - 1, False


@njit(cache=True, nogil=True)
def _guarded(at, end, guard, guard_ends):
    """Behind the text at `at`, if it is the one the guard demands."""
    at = behind(at, end, QUOTE)
    if at == NOT_PLAIN:
        return at
    quote = named(at, end, guard, guard_ends, 1)
    return quote if quote == NOT_PLAIN else quote + _1


@njit(cache=True, nogil=True)
def _due(level, guard_level):
    """Bits of what an object of `level` must hold: the next one, and where it is guarded, the guard's text."""
    return np.int64(1) << level | (_GUARD if level == guard_level else np.int64(0))


@njit(cache=True, nogil=True)
def _member(at, end, first):
    """Behind the quote before a name; a comma stands before all but the first."""
    return behind(at if first else behind(at, end, COMMA), end, QUOTE)


@njit(cache=True, nogil=True)
def _value(quote, end):
    """Where the value begins whose name ends with the quote at `quote`, or blanks before it."""
    return behind(quote + _1, end, COLON)


@njit(cache=True, nogil=True)
def _passed(at, end):
    """Behind a name of no interest, its opening quote having been read, and its value."""
    quote = text_end(at, end)
    return quote if quote == NOT_PLAIN else skipped(_value(quote, end), end)


@njit(cache=True, nogil=True)
def _document(
    text, at, end, path, path_ends, lists, levels, guard, guard_ends, guard_level,
    names, name_ends, kinds, fields, required, inner, cells, row,
):  # fmt: skip
    """How many rows there are in all, `row` being there before; -1 if the document between `at` and `end` is not plain.

    An object of `level` holds the next one, or the list of them (`lists`), under the name `path[level]`; those of
    `levels` are the rows. An object of `guard_level` must hold the text `guard[1]` under the name `guard[0]`.
    """
    at = blank_end(at, end)
    in_list = levels == 0 and at < end and byte(at) == OPEN_LIST
    at, enters = _entered(at, end, in_list)
    level, missing = (0 if enters else -1), np.int64(0)
    while at != NOT_PLAIN and level >= 0:
        if enters:
            missing |= _due(level, guard_level)
        at = blank_end(at, end)
        if level == levels:
            here = cells + WORD * np.uint64(row * fields)
            at = read_row(text, at, end, names, name_ends, kinds, fields, inner, here)
            if at == NOT_PLAIN or lacks(required, here):
                return -1
            row += 1
            at, level, enters = _left(at, end, level, lists, in_list)
            continue
        if at < end and byte(at) == CLOSE:
            if missing & _due(level, guard_level):
                return -1
            at, level, enters = _left(at + _1, end, level, lists, in_list)
            continue
        at, enters = _member(at, end, enters), False
        if at == NOT_PLAIN:
            return -1
        quote = named(at, end, path, path_ends, level)
        if quote != NOT_PLAIN:
            at, enters = _entered(_value(quote, end), end, word(lists + WORD * np.uint64(level)) != _0)
            if not missing & np.int64(1) << level:
                return -1
            missing ^= np.int64(1) << level
            if enters:
                level += 1
            continue
        quote = named(at, end, guard, guard_ends, 0) if level == guard_level else NOT_PLAIN
        if quote == NOT_PLAIN:
            at = _passed(at, end)
            continue
        if not missing & _GUARD:
            return -1
        at, missing = _guarded(_value(quote, end), end, guard, guard_ends), missing ^ _GUARD
    return row if at != NOT_PLAIN and blank_end(at, end) == end else -1


@njit(
    int64(
        uint64, int64[::1], int64[::1], uint64, uint64, uint64, int64, uint64, uint64, int64,
        uint64, uint64, uint64, int64, int64, int64, uint64,
    ),
    cache=True,
    nogil=True,
)  # fmt: skip
def scan_documents(
    text, lengths, counts, path, path_ends, lists, levels, guard, guard_ends, guard_level,
    names, name_ends, kinds, fields, required, inner, cells,
):  # fmt: skip
    """How many rows the documents that stand behind one another at `text` have, and in `counts` each; -1: not plain."""
    row, at = 0, text
    for document in range(len(lengths)):
        end = at + np.uint64(lengths[document])
        rows = _document(
            text, at, end, path, path_ends, lists, levels, guard, guard_ends, guard_level,
            names, name_ends, kinds, fields, required, inner, cells, row,
        )  # fmt: skip
        counts[document] = rows - row if rows >= 0 else -1
        row, at = max(row, rows), end
    return row
