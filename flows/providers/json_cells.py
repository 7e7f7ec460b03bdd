"""The fields of one JSON object as cells: numbers, or where a text stands. Compiled by numba, see `flows.words`."""

import numpy as np
from numba import njit

from flows.providers.json_rows import CODE, COUNT, FIRST_OF_LIST, NOT_NULL, NUMBER, STRANGE, TEXT
from flows.providers.json_skip import CLOSE, CLOSE_LIST, COLON, COMMA, OPEN, OPEN_LIST, behind, blank_end, skipped
from flows.words import (
    LENGTH_BITS,
    NOT_PLAIN,
    NOTHING,
    NULL,
    QUOTE,
    WORD,
    byte,
    literal_end,
    name_at,
    named,
    put_word,
    text_end,
    whole_number,
    word,
)

_1 = np.uint64(1)
_LONGEST_COUNT = np.uint64(15)


@njit(cache=True, nogil=True)
def _text_cell(text, begin, after):
    """Where a text stands, counted from `text`, and its length, as one number."""
    return np.int64(begin - text) | (np.int64(after - begin) << LENGTH_BITS)


@njit(cache=True, nogil=True)
def _count(at, end):
    """(number, end) of the digits at `at`."""
    number, after = whole_number(at, end)
    return number, NOT_PLAIN if number < 0 or after - at > _LONGEST_COUNT else after


@njit(cache=True, nogil=True)
def _quoted(at, end):
    """Behind a quote that stands right at `at`."""
    return at + _1 if at != NOT_PLAIN and at < end and byte(at) == QUOTE else NOT_PLAIN


@njit(cache=True, nogil=True)
def _cell(text, at, end, kind):
    """(cell, end) of the value at `at`."""
    char = byte(at)
    if char == NULL[0]:
        return NOTHING, NOT_PLAIN if kind >= NOT_NULL else literal_end(at, end, NULL)
    kind &= NOT_NULL - 1
    if char == QUOTE and kind == COUNT:
        number, after = _count(at + _1, end)
        return number, _quoted(after, end)
    if char == QUOTE and kind == TEXT:
        quote = text_end(at + _1, end)
        return _text_cell(text, at + _1, quote), NOT_PLAIN if quote == NOT_PLAIN else quote + _1
    if char == QUOTE and kind == NUMBER:
        return NOTHING, NOT_PLAIN
    if char == QUOTE:  # Of other texts, some stand for numbers or null too.
        number, after = _count(at + _1, end)
        return _text_cell(text, at + _1, after), _quoted(after, end)
    number, after = _count(at, end)
    if kind == TEXT or after == NOT_PLAIN:
        return NOTHING, NOT_PLAIN
    return (_text_cell(text, at, after) if kind == CODE else number), after


@njit(cache=True, nogil=True)
def _object_cell(text, at, end, names, name_ends, inner):
    """(cell, end) of the member called `inner` of the object whose brace was just read."""
    cell, found = np.int64(NOTHING), False
    at = blank_end(at, end)
    if at < end and byte(at) == CLOSE:
        return cell, at + _1
    while True:
        at = behind(at, end, QUOTE)
        if at == NOT_PLAIN:
            return cell, at
        quote = named(at, end, names, name_ends, inner)
        if quote == NOT_PLAIN:
            quote = text_end(at, end)
            if quote == NOT_PLAIN:
                return cell, quote
            at = skipped(behind(quote + _1, end, COLON), end)
        else:
            at = behind(quote + _1, end, COLON)
            if found or at == NOT_PLAIN:
                return cell, NOT_PLAIN
            at = blank_end(at, end)
            found = True
            cell, at = (np.int64(NOTHING), NOT_PLAIN) if at >= end else _cell(text, at, end, CODE)
        if at == NOT_PLAIN:
            return cell, at
        at = blank_end(at, end)
        if at >= end or (byte(at) != COMMA and byte(at) != CLOSE):
            return cell, NOT_PLAIN
        at += _1
        if byte(at - _1) == CLOSE:
            return cell, at


@njit(cache=True, nogil=True)
def _first_cell(text, at, end, names, name_ends, inner):
    """(cell, end) of the list at `at`, whose objects but for the first are only checked to be objects."""
    if byte(at) == NULL[0]:
        return np.int64(NOTHING), literal_end(at, end, NULL)
    at = behind(at, end, OPEN_LIST)
    if at == NOT_PLAIN:
        return np.int64(NOTHING), at
    at = blank_end(at, end)
    if at < end and byte(at) == CLOSE_LIST:
        return np.int64(NOTHING), at + _1
    first, cell, comma = True, np.int64(NOTHING), True
    while comma:
        at = behind(at, end, OPEN)
        if at == NOT_PLAIN:
            return cell, at
        other, at = _object_cell(text, at, end, names, name_ends, inner)
        if at == NOT_PLAIN:
            return cell, at
        cell, first = (other if first else cell), False
        at = blank_end(at, end)
        if at >= end or (byte(at) != COMMA and byte(at) != CLOSE_LIST):
            return cell, NOT_PLAIN
        comma = byte(at) == COMMA
        at += _1
    return cell, at


@njit(cache=True, nogil=True)
def read_row(text, at, end, names, name_ends, kinds, fields, inner, cells):
    """Behind the object whose brace was just read; its fields stand in `cells`."""
    for field in range(fields):
        put_word(cells + WORD * np.uint64(field), np.int64(NOTHING))
    seen, likely = np.int64(0), 0
    at = blank_end(at, end)
    if at < end and byte(at) == CLOSE:
        return at + _1
    while True:
        at = behind(at, end, QUOTE)
        if at == NOT_PLAIN:
            return at
        field, quote = name_at(at, end, names, name_ends, fields, likely)
        if quote == NOT_PLAIN:
            return quote
        at = behind(quote + _1, end, COLON)
        if at == NOT_PLAIN:
            return at
        at = blank_end(at, end)
        if at >= end:
            return NOT_PLAIN
        if field < 0:
            at = skipped(at, end)
        else:
            kind = np.int64(word(kinds + WORD * np.uint64(field)))
            if kind == STRANGE or seen & (np.int64(1) << field):
                return NOT_PLAIN
            seen |= np.int64(1) << field
            likely = field + 1 if field + 1 < fields else 0
            if kind == FIRST_OF_LIST:
                cell, at = _first_cell(text, at, end, names, name_ends, inner)
            else:
                cell, at = _cell(text, at, end, kind)
            put_word(cells + WORD * np.uint64(field), cell)
        if at == NOT_PLAIN:
            return at
        at = blank_end(at, end)
        if at >= end or (byte(at) != COMMA and byte(at) != CLOSE):
            return NOT_PLAIN
        at += _1
        if byte(at - _1) == CLOSE:
            return at


@njit(cache=True, nogil=True)
def lacks(required, cells):
    for field in range(required):  # noqa: SIM110  # numba compiles no generators
        if np.int64(word(cells + WORD * np.uint64(field))) == NOTHING:
            return True
    return False
