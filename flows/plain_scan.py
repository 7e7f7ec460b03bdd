"""The loops over bytes behind `flows.plain_lines`: compiled by numba, free of the GIL.

Text is passed as addresses (see `flows.words`): `at` of where to read, `end` of the first byte behind it all.
"""

import numpy as np
from numba import boolean, int32, int64, njit, types, uint8, uint32, uint64

from flows.words import WORD, byte, plain_bytes, same, word

# With signatures given, this is compiled, or loaded from numba's cache, when the module is imported.
_BUFFER = types.Array(uint8, 1, "C", readonly=True)

# Addresses are unsigned, and 0 stands for "not plain", where nothing can be.
_NOT_PLAIN = np.uint64(0)
_0, _1, _2, _3, _4 = (np.uint64(number) for number in range(5))
_QUOTE, _COMMA, _MINUS, _COLON, _OPEN, _CLOSE, _NEWLINE, _BACKSLASH = (np.uint8(ord(char)) for char in '",-:{}\n\\')
_SPACE, _TAB, _RETURN, _DIGIT_0, _DIGIT_9, _DELETE = (np.uint8(ord(char)) for char in " \t\r09\x7f")
_N, _U, _L = (np.uint8(ord(char)) for char in "nul")
_TEXT, _NULL, _NUMBER = range(3)
_FIELDS_AT_MOST = 64


@njit(int64(_BUFFER), cache=True, nogil=True)
def count_lines(buffer):
    count = 1
    for each in buffer:
        count += each == 10
    return count


@njit(cache=True, nogil=True)
def _text_end(at, end):
    """Where the text that starts at `at` has its closing quote."""
    while at + WORD <= end:
        plain = plain_bytes(word(at))
        at += plain
        if plain < WORD:
            return at if byte(at) == _QUOTE else _NOT_PLAIN
    while at < end:
        if byte(at) == _QUOTE:
            return at
        if byte(at) < _SPACE or byte(at) > _DELETE or byte(at) == _BACKSLASH:
            return _NOT_PLAIN
        at += _1
    return _NOT_PLAIN


@njit(cache=True, nogil=True)
def _named(at, end, names, name_ends, field):
    """Where the name of the field ends, if that and a quote stand at `at`."""
    first = _0 if field == 0 else word(name_ends + WORD * np.uint64(field - 1))
    length = word(name_ends + WORD * np.uint64(field)) - first
    if at + length >= end or byte(at + length) != _QUOTE or not same(at, names + first, length):
        return _NOT_PLAIN
    return at + length


@njit(cache=True, nogil=True)
def _field(at, end, names, name_ends, fields, likely):
    """(field, end) of the name at `at`, field -1 if it is none of ours; `likely` is tried first."""
    behind = _named(at, end, names, name_ends, likely)
    if behind != _NOT_PLAIN:
        return likely, behind
    for field in range(fields):
        behind = _named(at, end, names, name_ends, field)
        if behind != _NOT_PLAIN:
            return field, behind
    return -1, _text_end(at, end)


@njit(cache=True, nogil=True)
def _number(at, end):
    """(value, end) of the whole number at `at`; 18 digits surely fit."""
    begin = at
    if byte(at) == _MINUS:
        at += _1
    first, value = at, np.int64(0)
    while at < end and _DIGIT_0 <= byte(at) <= _DIGIT_9:
        value = value * 10 + np.int64(byte(at) - _DIGIT_0)
        at += _1
    digits = at - first
    if digits == _0 or digits > np.uint64(18) or (digits > _1 and byte(first) == _DIGIT_0):
        return np.int64(0), _NOT_PLAIN
    return (-value if first > begin else value), at


@njit(cache=True, nogil=True)
def _null_end(at, end):
    if at + _4 > end or byte(at) != _N or byte(at + _1) != _U or byte(at + _2) != _L or byte(at + _3) != _L:
        return _NOT_PLAIN
    return at + _4


@njit(cache=True, nogil=True)
def _value(at, end):
    """(kind, number, end) of the value at `at`"""
    if byte(at) == _QUOTE:
        quote = _text_end(at + _1, end)
        return _TEXT, np.int64(0), _NOT_PLAIN if quote == _NOT_PLAIN else quote + _1
    if byte(at) == _N:
        return _NULL, np.int64(0), _null_end(at, end)
    value, behind = _number(at, end)
    return _NUMBER, value, behind


@njit(cache=True, nogil=True)
def _line_end(at, end):
    """(end, whether there is nothing but blanks before it)"""
    blank = True
    while at < end and byte(at) != _NEWLINE:
        blank = blank and (byte(at) == _SPACE or byte(at) == _TAB or byte(at) == _RETURN)
        at += _1
    return at, blank


@njit(cache=True, nogil=True)
def _pair(at, end, names, name_ends, fields, likely):
    """(field, start of the value, kind, number, end) of the name and value at `at`; end is _NOT_PLAIN if torn."""
    if at >= end or byte(at) != _QUOTE:
        return 0, at, _NULL, np.int64(0), _NOT_PLAIN
    field, quote = _field(at + _1, end, names, name_ends, fields, likely)
    if quote == _NOT_PLAIN or quote + _2 >= end or byte(quote + _1) != _COLON:
        return 0, at, _NULL, np.int64(0), _NOT_PLAIN
    kind, number, behind = _value(quote + _2, end)
    return field, quote + _2, kind, number, behind if behind < end else _NOT_PLAIN


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
        int64[:, ::1],
        boolean[:, ::1],
        int32[:, ::1],
        int32[:, ::1],
    ),
    cache=True,
    nogil=True,
)
def scan(text, end, names, name_ends, fields, texts, plain, begins, numbers, absent, starts, lengths):
    """How many rows there are. The first `texts` of the `fields` are texts, the others whole numbers."""
    order = np.zeros(_FIELDS_AT_MOST, np.int64)  # the fields of the line before, to be tried first
    row, line = 0, text
    while line < end:
        line_end, seen, at = _NOT_PLAIN, np.int64(0), line
        for place in range(_FIELDS_AT_MOST if byte(line) == _OPEN else 0):
            field, value_at, kind, number, at = _pair(at + _1, end, names, name_ends, fields, order[place])
            if at == _NOT_PLAIN:
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
        plain[row], begins[row] = line_end != _NOT_PLAIN, line - text
        row += 1
        if line_end == _NOT_PLAIN:
            line_end, blank = _line_end(line, end)
            numbers[:, row - 1], absent[:, row - 1], lengths[:, row - 1] = 0, True, -1
            if blank:
                row -= 1
        line = line_end + _1
    return row


@njit(cache=True, nogil=True)
def _hash(at, length):
    mixed = np.uint64(2166136261)
    for each in range(length):
        mixed = ((mixed ^ np.uint64(byte(at + np.uint64(each)))) * np.uint64(16777619)) & np.uint64(0xFFFFFFFF)
    return mixed


@njit(uint32[::1](uint64, int32[::1], int32[::1]), cache=True, nogil=True)
def hash_texts(text, starts, lengths):
    found = np.empty(len(starts), np.uint32)
    for row in range(len(starts)):
        found[row] = _hash(text + np.uint64(starts[row]), max(0, lengths[row]))
    return found


@njit(uint8[::1](uint64, int32[::1], int64[::1]), cache=True, nogil=True)
def gather_texts(text, starts, ends):
    """The texts that end where `ends[1:]` says, one behind the other."""
    gathered = np.empty(ends[-1], np.uint8)
    for row in range(len(starts)):
        at = text + np.uint64(starts[row])
        for place in range(ends[row], ends[row + 1]):
            gathered[place] = byte(at + np.uint64(place - ends[row]))
    return gathered


@njit(cache=True, nogil=True)
def _equal(text, start, length, other, other_length):
    """Whether two texts are the same; null counts as empty."""
    length, other_length = max(0, length), max(0, other_length)
    return length == other_length and same(text + np.uint64(start), text + np.uint64(other), np.uint64(length))


@njit(types.Tuple((uint32[::1], int64[::1]))(uint64, int32[::1], int32[::1]), cache=True, nogil=True)
def intern_texts(text, starts, lengths):
    """Codes, and the first row of each; an open-addressing table of rows, doubled when half full."""
    rows = len(starts)
    codes = np.empty(rows, np.uint32)
    firsts = np.empty(rows, np.int64)
    table = np.full(64, -1, np.int64)
    known = 0
    for row in range(rows):
        start, length = starts[row], lengths[row]
        if row and _equal(text, start, length, starts[row - 1], lengths[row - 1]):
            codes[row] = codes[row - 1]
            continue
        at = np.int64(_hash(text + np.uint64(start), max(0, length))) & (len(table) - 1)
        while table[at] >= 0:
            first = firsts[table[at]]
            if _equal(text, start, length, starts[first], lengths[first]):
                break
            at = (at + 1) & (len(table) - 1)
        if table[at] >= 0:
            codes[row] = table[at]
            continue
        firsts[known], table[at], codes[row] = row, known, known
        known += 1
        if 2 * known > len(table):
            table = np.full(2 * len(table), -1, np.int64)
            for code in range(known):
                first = firsts[code]
                at = np.int64(_hash(text + np.uint64(starts[first]), max(0, lengths[first]))) & (len(table) - 1)
                while table[at] >= 0:
                    at = (at + 1) & (len(table) - 1)
                table[at] = code
    return codes, firsts[:known]
