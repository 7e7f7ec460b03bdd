"""The loops over bytes behind `flows.plain_lines`: compiled by numba, free of the GIL."""

import numpy as np
from numba import boolean, int64, njit, types, uint8, uint32

# With signatures given, this is compiled, or loaded from numba's cache, when the module is imported.
_BUFFER = types.Array(uint8, 1, "C", readonly=True)

_PLAIN = np.array([32 <= byte <= 126 and byte not in b'"\\' for byte in range(256)])
"""Bytes that stand for themselves within quotes."""


@njit(int64(_BUFFER), cache=True, nogil=True)
def count_lines(buffer):
    count = 1
    for byte in buffer:
        count += byte == 10
    return count


# Positions are unsigned and 0 stands for "not plain", where no end can be: numba checks signed ones for being negative,
# which takes a third of the time.
_NOT_PLAIN = np.uint64(0)
_0, _1, _2, _4 = np.uint64(0), np.uint64(1), np.uint64(2), np.uint64(4)
_QUOTE, _COMMA, _MINUS, _COLON, _OPEN, _CLOSE = (ord(char) for char in '",-:{}')


@njit(cache=True, nogil=True)
def _named(buffer, start, names, name_ends, field):
    """Where the name of the field ends, if that and a quote stand at `start`."""
    name_start = _0 if field == 0 else np.uint64(name_ends[field - 1])
    length = np.uint64(name_ends[field]) - name_start
    if start + length >= np.uint64(len(buffer)) or buffer[start + length] != _QUOTE:
        return _NOT_PLAIN
    at = _0
    while at < length:
        if buffer[start + at] != names[name_start + at]:
            return _NOT_PLAIN
        at += _1
    return start + length


@njit(cache=True, nogil=True)
def _field(buffer, start, names, name_ends, likely):
    """(field, end) of the name at `start`, field -1 if it is none of ours; `likely` is tried first."""
    end = _named(buffer, start, names, name_ends, likely)
    if end != _NOT_PLAIN:
        return likely, end
    for field in range(len(name_ends)):
        end = _named(buffer, start, names, name_ends, field)
        if end != _NOT_PLAIN:
            return field, end
    return -1, _text_end(buffer, start)


@njit(cache=True, nogil=True)
def _text_end(buffer, at):
    """Where the text that starts at `at` has its closing quote."""
    size = np.uint64(len(buffer))
    while at < size and _PLAIN[buffer[at]]:
        at += _1
    return at if at < size and buffer[at] == _QUOTE else _NOT_PLAIN


@njit(cache=True, nogil=True)
def _number(buffer, at):
    """(value, end) of the whole number at `at`; 18 digits surely fit."""
    size = np.uint64(len(buffer))
    negative = buffer[at] == _MINUS
    if negative:
        at += _1
    first, value = at, np.int64(0)
    while at < size and 48 <= buffer[at] <= 57:
        value = value * 10 + np.int64(buffer[at] - 48)
        at += _1
    digits = at - first
    if digits == _0 or digits > np.uint64(18) or (digits > _1 and buffer[first] == 48):
        return np.int64(0), _NOT_PLAIN
    return (-value if negative else value), at


@njit(cache=True, nogil=True)
def _null_end(buffer, at):
    if at + _4 > np.uint64(len(buffer)) or buffer[at] != 110 or buffer[at + _1] != 117:
        return _NOT_PLAIN
    return at + _4 if buffer[at + _2] == 108 and buffer[at + _2 + _1] == 108 else _NOT_PLAIN


@njit(cache=True, nogil=True)
def _read_line(buffer, at, row, names, name_ends, texts, order, numbers, absent, starts, lengths):
    """Where the plain line at `at` ends, its columns filled. `order` has the fields of the line before, to be tried."""
    size = np.uint64(len(buffer))
    if buffer[at] != _OPEN:
        return _NOT_PLAIN
    seen, place = np.int64(0), 0
    while place < len(order):
        at += _1  # behind the brace or the comma
        if at >= size or buffer[at] != _QUOTE:
            return _NOT_PLAIN
        field, end = _field(buffer, at + _1, names, name_ends, order[place])
        if end == _NOT_PLAIN or end + _2 >= size or buffer[end + _1] != _COLON:
            return _NOT_PLAIN
        if field >= 0:
            if seen & (np.int64(1) << field):
                return _NOT_PLAIN
            seen |= np.int64(1) << field
            order[place] = field
        place += 1
        at = end + _2
        if buffer[at] == _QUOTE:
            end = _text_end(buffer, at + _1)
            if end == _NOT_PLAIN or field >= texts:
                return _NOT_PLAIN
            if field >= 0:
                starts[field, row], lengths[field, row] = at + _1, end - at - _1
            end += _1
        elif buffer[at] == 110:
            end = _null_end(buffer, at)
        else:
            value, end = _number(buffer, at)
            if 0 <= field < texts:
                return _NOT_PLAIN
            if field >= 0:
                numbers[field - texts, row], absent[field - texts, row] = value, False
        if end == _NOT_PLAIN or end >= size:
            return _NOT_PLAIN
        at = end
        if buffer[at] == _CLOSE:
            end = at + _1
            return end if end == size or buffer[end] == 10 else _NOT_PLAIN
        if buffer[at] != _COMMA:
            return _NOT_PLAIN
    return _NOT_PLAIN


@njit(cache=True, nogil=True)
def _line_end(buffer, at):
    """(end, whether there is nothing but blanks before it)"""
    size, blank = np.uint64(len(buffer)), True
    while at < size and buffer[at] != 10:
        blank = blank and (buffer[at] == 32 or buffer[at] == 9 or buffer[at] == 13)
        at += _1
    return at, blank


@njit(
    int64(
        _BUFFER,
        _BUFFER,
        int64[::1],
        int64,
        boolean[::1],
        int64[::1],
        int64[:, ::1],
        boolean[:, ::1],
        int64[:, ::1],
        int64[:, ::1],
    ),
    cache=True,
    nogil=True,
)
def scan(buffer, names, name_ends, texts, plain, begins, numbers, absent, starts, lengths):
    """How many rows there are."""
    size = np.uint64(len(buffer))
    order = np.zeros(64, np.int64)
    at, row = _0, 0
    while at < size:
        end = _read_line(buffer, at, row, names, name_ends, texts, order, numbers, absent, starts, lengths)
        plain[row] = end != _NOT_PLAIN
        begins[row] = at
        row += 1
        if end == _NOT_PLAIN:
            end, blank = _line_end(buffer, at)
            numbers[:, row - 1], absent[:, row - 1], lengths[:, row - 1] = 0, True, -1
            if blank:
                row -= 1
        at = end + _1
    return row


@njit(cache=True, nogil=True)
def _hash(buffer, start, length):
    mixed = np.uint64(2166136261)
    for i in range(start, start + length):
        mixed = ((mixed ^ np.uint64(buffer[i])) * np.uint64(16777619)) & np.uint64(0xFFFFFFFF)
    return np.int64(mixed)


@njit(uint32[::1](_BUFFER, int64[::1], int64[::1]), cache=True, nogil=True)
def hash_texts(buffer, starts, lengths):
    found = np.empty(len(starts), np.uint32)
    for row in range(len(starts)):
        found[row] = _hash(buffer, starts[row], max(0, lengths[row]))
    return found


@njit(cache=True, nogil=True)
def _same(buffer, start, other, length):
    for i in range(length):  # noqa: SIM110  # numba compiles no generators
        if buffer[start + i] != buffer[other + i]:
            return False
    return True


@njit(types.Tuple((uint32[::1], int64[::1]))(_BUFFER, int64[::1], int64[::1]), cache=True, nogil=True)
def intern_texts(buffer, starts, lengths):
    """Codes, and the first row of each; an open-addressing table of rows, doubled when half full."""
    rows = len(starts)
    codes = np.empty(rows, np.uint32)
    firsts = np.empty(rows, np.int64)
    table = np.full(64, -1, np.int64)
    known = 0
    for row in range(rows):
        length = max(0, lengths[row])
        if row and length == max(0, lengths[row - 1]) and _same(buffer, starts[row], starts[row - 1], length):
            codes[row] = codes[row - 1]
            continue
        at = _hash(buffer, starts[row], length) & (len(table) - 1)
        while table[at] >= 0:
            first = firsts[table[at]]
            if max(0, lengths[first]) == length and _same(buffer, starts[row], starts[first], length):
                break
            at = (at + 1) & (len(table) - 1)
        if table[at] < 0:
            firsts[known] = row
            table[at] = known
            known += 1
            codes[row] = known - 1
            if 2 * known > len(table):
                table = np.full(2 * len(table), -1, np.int64)
                for code in range(known):
                    first = firsts[code]
                    at = _hash(buffer, starts[first], max(0, lengths[first])) & (len(table) - 1)
                    while table[at] >= 0:
                        at = (at + 1) & (len(table) - 1)
                    table[at] = code
        else:
            codes[row] = table[at]
    return codes, firsts[:known]
