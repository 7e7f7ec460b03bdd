"""The loop over bytes behind `flows.plain_lines`: compiled by numba, free of the GIL."""

import numpy as np
from numba import boolean, int32, int64, njit, types, uint32, uint64

from flows.text_table import code_of, hash_text
from flows.words import (
    FALSE,
    NOT_PLAIN,
    NULL,
    QUOTE,
    SPACE,
    TRUE,
    byte,
    digits_end,
    literal_end,
    name_at,
    same,
    text_end,
    whole_number,
)

_1, _2 = np.uint64(1), np.uint64(2)
_COMMA, _COLON, _DOT, _OPEN, _CLOSE, _NEWLINE, _TAB, _RETURN = (np.uint8(ord(char)) for char in ",:.{}\n\t\r")
_TEXT, _NUMBER, _FLAG, _NULL, _DECIMAL = range(5)
FIELDS_AT_MOST = 63
_SLOTS = 1024
"""Twice as many as texts that recur are worth remembering."""


# With signatures given, this is compiled, or loaded from numba's cache, when the module is imported.
@njit(int64(int64[::1], int64[::1]), cache=True, nogil=True)
def count_lines(records, sizes):
    """As many as there can be, blank ones among them, in texts at these addresses."""
    count = len(records)
    for record in range(len(records)):
        at = np.uint64(records[record])
        for place in range(np.uint64(0), np.uint64(sizes[record])):
            count += byte(at + place) == _NEWLINE
    return count


@njit(cache=True, nogil=True)
def _number(at, end):
    """(kind, number, end); a decimal has no number."""
    value, behind = whole_number(at, end)
    if behind != NOT_PLAIN and behind < end and byte(behind) == _DOT:
        return _DECIMAL, np.int64(0), digits_end(behind + _1, end)
    return _NUMBER, value, behind


@njit(cache=True, nogil=True)
def _value(at, end):
    """(kind, number, end) of the value at `at`; of a flag 0 or 1."""
    first = byte(at)
    if first == QUOTE:
        quote = text_end(at + _1, end)
        return _TEXT, np.int64(0), NOT_PLAIN if quote == NOT_PLAIN else quote + _1
    if first == NULL[0]:
        return _NULL, np.int64(0), literal_end(at, end, NULL)
    if first == TRUE[0]:
        return _FLAG, np.int64(1), literal_end(at, end, TRUE)
    if first == FALSE[0]:
        return _FLAG, np.int64(0), literal_end(at, end, FALSE)
    return _number(at, end)


@njit(cache=True, nogil=True)
def _line_end(at, end):
    """(end, whether there is nothing but blanks before it)"""
    blank = True
    while at < end and byte(at) != _NEWLINE:
        blank = blank and (byte(at) == SPACE or byte(at) == _TAB or byte(at) == _RETURN)
        at += _1
    return at, blank


@njit(cache=True, nogil=True)
def _named_value(at, end, names, name_ends, fields, likely):
    """(field, start of its value) of the name at `at`; the start is NOT_PLAIN if that is torn."""
    if at >= end or byte(at) != QUOTE:
        return 0, NOT_PLAIN
    field, quote = name_at(at + _1, end, names, name_ends, fields, likely)
    if quote == NOT_PLAIN or quote + _2 >= end or byte(quote + _1) != _COLON:
        return 0, NOT_PLAIN
    return field, quote + _2


@njit(cache=True, nogil=True)
def _is_text(at, end, text, length):
    """Whether it is that one which stands at `at`, in quotes, with something behind."""
    behind = at + _1 + length
    return behind + _1 < end and byte(at) == QUOTE and byte(behind) == QUOTE and same(at + _1, text, length)


@njit(
    int64(
        int64[::1],
        int64[::1],
        types.UniTuple(uint64, 2),
        types.UniTuple(int64, 5),
        boolean[::1],
        int64[:, ::1],
        int32[:, ::1],
        int64[:, ::1],
        boolean[:, ::1],
        int64[:, ::1],
        int32[:, ::1],
        uint32[:, ::1],
        uint32[:, ::1],
        int64[:, :, ::1],
        int64[::1],
    ),
    cache=True,
    nogil=True,
)
def scan(
    records, sizes, names, ends, plain, spans, origins, numbers, absent, starts, lengths, hashes, codes, known, counts
):
    """How many rows there are, or -1 if they are more than the columns have room for.

    Of the fields come first those of text that recurs, then text that is hashed, text that is only located, integers,
    and flags: `ends` tells where each kind ends.
    """
    recurring, hashed, texts, integers, fields = ends
    order = np.zeros(FIELDS_AT_MOST, np.int64)  # the fields of the line before, to be tried first
    last = np.zeros((FIELDS_AT_MOST, 3), np.int64)  # code, start, length of the latest text of each field that recurs
    table = np.zeros((recurring, _SLOTS), np.int32)
    row, room, record, line_number = 0, len(plain), -1, 0
    line = end = np.uint64(0)
    while line < end or record + 1 < len(records):
        if line >= end:
            record, line_number = record + 1, 0
            line, end = np.uint64(records[record]), np.uint64(records[record] + sizes[record])
            continue
        if row == room:
            return -1
        line_end, seen, at = NOT_PLAIN, np.int64(0), line
        for place in range(FIELDS_AT_MOST if byte(line) == _OPEN else 0):
            field, value_at = _named_value(at + _1, end, names[0], names[1], fields, order[place])
            if value_at == NOT_PLAIN:
                break
            code = last[field, 0] if 0 <= field < recurring else 0
            if code and _is_text(value_at, end, np.uint64(last[field, 1]), np.uint64(last[field, 2])):
                kind, number, at = _TEXT, np.int64(0), value_at + np.uint64(last[field, 2]) + _2
            else:
                kind, number, at = _value(value_at, end)
                code = 0
                if at == NOT_PLAIN or at >= end:
                    break
            if field >= 0:
                due = _TEXT if field < texts else _NUMBER if field < integers else _FLAG
                if (kind != _NULL and kind != due) or seen & (np.int64(1) << field):
                    break
                seen |= np.int64(1) << field
                order[place] = field
                if kind == _TEXT:
                    text, length = value_at + _1, at - value_at - _2
                    if field < recurring:
                        if not code:
                            code = code_of(text, length, field, table, known, counts)
                            last[field, 0], last[field, 1], last[field, 2] = code, text, length
                        codes[field, row] = code
                    elif field < hashed:
                        hashes[field - recurring, row] = hash_text(text, length)
                    else:
                        starts[field - hashed, row], lengths[field - hashed, row] = text, length
                elif kind != _NULL:
                    numbers[field - texts, row], absent[field - texts, row] = number, False
            if byte(at) != _COMMA:
                if byte(at) == _CLOSE and (at + _1 == end or byte(at + _1) == _NEWLINE):
                    line_end = at + _1
                break
        plain[row], blank = line_end != NOT_PLAIN, False
        if line_end == NOT_PLAIN:
            line_end, blank = _line_end(line, end)
            numbers[:, row], absent[:, row], lengths[:, row], codes[:, row] = 0, True, -1, 0
            hashes[:, row] = hash_text(NOT_PLAIN, np.uint64(0))
        if not blank:
            spans[0, row], spans[1, row], origins[0, row], origins[1, row] = line, line_end, record, line_number
            row += 1
        line, line_number = line_end + _1, line_number + 1
    return row
