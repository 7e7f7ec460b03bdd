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
def _document(
    text, at, end, path, path_ends, lists, levels, guard, guard_ends, guard_level,
    names, name_ends, kinds, fields, required, inner, cells, row,
):  # fmt: skip
    """How many rows there are in all, `row` being there before; -1 if the document between `at` and `end` is not plain.

    An object of `level` holds the next one, or the list of them (`lists`), under the name `path[level]`; those of
    `levels` are the rows. An object of `guard_level` must hold the text `guard[1]` under the name `guard[0]`.
    """
    level, first, found, met = 0, True, np.int64(0), False
    at = blank_end(at, end)
    in_list = levels == 0 and at < end and byte(at) == OPEN_LIST
    at, inside = _entered(at, end, in_list)
    level = 0 if inside else -1
    while at != NOT_PLAIN and level >= 0:
        if level == levels:
            here = cells + WORD * np.uint64(row * fields)
            at = read_row(text, at, end, names, name_ends, kinds, fields, inner, here)
            if at == NOT_PLAIN or lacks(required, here):
                return -1
            row += 1
            at, level, again = _left(at, end, level, lists, in_list)
            first = False
            continue
        at = blank_end(at, end)
        if at >= end:
            return -1
        if byte(at) == CLOSE:
            if not found & (np.int64(1) << level) or (level == guard_level and not met):
                return -1
            at, level, again = _left(at + _1, end, level, lists, in_list)
            first = again
            if again:
                found, met = found & ~(np.int64(1) << level), met and level != guard_level
            continue
        if not first:
            if byte(at) != COMMA:
                return -1
            at += _1
        first = False
        at = behind(at, end, QUOTE)
        if at == NOT_PLAIN:
            return -1
        quote = named(at, end, path, path_ends, level)
        if quote != NOT_PLAIN:
            at, inside = _entered(behind(quote + _1, end, COLON), end, word(lists + WORD * np.uint64(level)) != _0)
            if found & (np.int64(1) << level):
                return -1
            found |= np.int64(1) << level
            if inside:
                level, first = level + 1, True
                found, met = found & ~(np.int64(1) << level), met and level != guard_level
            continue
        if level == guard_level:
            quote = named(at, end, guard, guard_ends, 0)
            if quote != NOT_PLAIN:
                if met:
                    return -1
                at, met = _guarded(behind(quote + _1, end, COLON), end, guard, guard_ends), True
                continue
        quote = text_end(at, end)
        at = quote if quote == NOT_PLAIN else skipped(behind(quote + _1, end, COLON), end)
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
