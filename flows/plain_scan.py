"""The loop over bytes behind `flows.plain_lines`: compiled by numba, free of the GIL."""

import numpy as np
from numba import boolean, int32, int64, njit, types, uint8, uint64

from flows.words import NOT_PLAIN, QUOTE, SPACE, byte, name_at, text_end, whole_number

# With signatures given, this is compiled, or loaded from numba's cache, when the module is imported.
_BUFFER = types.Array(uint8, 1, "C", readonly=True)

_1, _2, _3, _4 = (np.uint64(number) for number in range(1, 5))
_COMMA, _COLON, _OPEN, _CLOSE, _NEWLINE, _TAB, _RETURN = (np.uint8(ord(char)) for char in ",:{}\n\t\r")
_N, _U, _L = (np.uint8(ord(char)) for char in "nul")
_TEXT, _NULL, _NUMBER = range(3)
FIELDS_AT_MOST = 63


@njit(int64(_BUFFER), cache=True, nogil=True)
def count_lines(buffer):
    count = 1
    for each in buffer:
        count += each == 10
    return count


@njit(cache=True, nogil=True)
def _null_end(at, end):
    if at + _4 > end or byte(at) != _N or byte(at + _1) != _U or byte(at + _2) != _L or byte(at + _3) != _L:
        return NOT_PLAIN
    return at + _4


@njit(cache=True, nogil=True)
def _value(at, end):
    """(kind, number, end) of the value at `at`"""
    if byte(at) == QUOTE:
        quote = text_end(at + _1, end)
        return _TEXT, np.int64(0), NOT_PLAIN if quote == NOT_PLAIN else quote + _1
    if byte(at) == _N:
        return _NULL, np.int64(0), _null_end(at, end)
    value, behind = whole_number(at, end)
    return _NUMBER, value, behind


@njit(cache=True, nogil=True)
def _line_end(at, end):
    """(end, whether there is nothing but blanks before it)"""
    blank = True
    while at < end and byte(at) != _NEWLINE:
        blank = blank and (byte(at) == SPACE or byte(at) == _TAB or byte(at) == _RETURN)
        at += _1
    return at, blank


@njit(cache=True, nogil=True)
def _pair(at, end, names, name_ends, fields, likely):
    """(field, start of the value, kind, number, end) of the name and value at `at`; end is NOT_PLAIN if torn."""
    if at >= end or byte(at) != QUOTE:
        return 0, at, _NULL, np.int64(0), NOT_PLAIN
    field, quote = name_at(at + _1, end, names, name_ends, fields, likely)
    if quote == NOT_PLAIN or quote + _2 >= end or byte(quote + _1) != _COLON:
        return 0, at, _NULL, np.int64(0), NOT_PLAIN
    kind, number, behind = _value(quote + _2, end)
    return field, quote + _2, kind, number, behind if behind < end else NOT_PLAIN


@njit(
    int64(
        uint64,
        uint64,
        uint64,
        uint64,
        int64,
        int64,
        boolean[::1],
        int64[::1],
        int64[::1],
        int64[:, ::1],
        boolean[:, ::1],
        int32[:, ::1],
        int32[:, ::1],
    ),
    cache=True,
    nogil=True,
)
def scan(text, end, names, name_ends, fields, texts, plain, begins, ends, numbers, absent, starts, lengths):
    """How many rows there are. The first `texts` of the `fields` are texts, the others whole numbers."""
    order = np.zeros(FIELDS_AT_MOST, np.int64)  # the fields of the line before, to be tried first
    row, line = 0, text
    while line < end:
        line_end, seen, at = NOT_PLAIN, np.int64(0), line
        for place in range(FIELDS_AT_MOST if byte(line) == _OPEN else 0):
            field, value_at, kind, number, at = _pair(at + _1, end, names, name_ends, fields, order[place])
            if at == NOT_PLAIN:
                break
            if field >= 0:
                misplaced = kind != _NULL and (kind == _TEXT) != (field < texts)
                if misplaced or seen & (np.int64(1) << field):
                    break
                seen |= np.int64(1) << field
                order[place] = field
                if kind == _TEXT:
                    starts[field, row], lengths[field, row] = value_at + _1 - text, at - value_at - _2
                elif kind == _NUMBER:
                    numbers[field - texts, row], absent[field - texts, row] = number, False
            if byte(at) != _COMMA:
                if byte(at) == _CLOSE and (at + _1 == end or byte(at + _1) == _NEWLINE):
                    line_end = at + _1
                break
        plain[row], begins[row], ends[row] = line_end != NOT_PLAIN, line - text, line_end - text
        row += 1
        if line_end == NOT_PLAIN:
            line_end, blank = _line_end(line, end)
            ends[row - 1] = line_end - text
            numbers[:, row - 1], absent[:, row - 1], lengths[:, row - 1] = 0, True, -1
            if blank:
                row -= 1
        line = line_end + _1
    return row
