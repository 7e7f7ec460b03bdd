"""The loops over bytes behind `flows.plain_lines`: compiled by numba, free of the GIL.

Text is passed as addresses, `at` of where to read, `end` of the first byte behind it all: numba counts the references
to an array atomically at every call that takes it, which costs more than reading a short text. It is read eight bytes
at a time, by the tricks of https://graphics.stanford.edu/~seander/bithacks.html (whether a word has a byte less than n,
or equal to n). All in one file, because numba's cache only looks whether the file of the caller has changed.
"""

import numpy as np
from llvmlite import ir
from numba import boolean, int32, int64, njit, types, uint8, uint64
from numba.extending import intrinsic

# With signatures given, this is compiled, or loaded from numba's cache, when the module is imported.
_BUFFER = types.Array(uint8, 1, "C", readonly=True)

# Addresses are unsigned, and 0 stands for "not plain", where nothing can be.
_NOT_PLAIN = np.uint64(0)
_0, _1, _2, _3, _4 = (np.uint64(number) for number in range(5))
_QUOTE, _COMMA, _MINUS, _COLON, _OPEN, _CLOSE, _NEWLINE, _BACKSLASH = (np.uint8(ord(char)) for char in '",-:{}\n\\')
_SPACE, _TAB, _RETURN, _DIGIT_0, _DIGIT_9, _DELETE = (np.uint8(ord(char)) for char in " \t\r09\x7f")
_N, _U, _L = (np.uint8(ord(char)) for char in "nul")
_TEXT, _NULL, _NUMBER = range(3)
FIELDS_AT_MOST = 63


_WORD = np.uint64(8)
_BITS = np.uint64(8)
_ONES = np.uint64(0x0101010101010101)
_HIGH_BITS = np.uint64(0x8080808080808080)
_SPACES = np.uint64(0x2020202020202020)
_QUOTES = np.uint64(0x2222222222222222)
_BACKSLASHES = np.uint64(0x5C5C5C5C5C5C5C5C)


def _load(bits):
    def codegen(_context, builder, _signature, arguments):
        loaded = builder.load(builder.inttoptr(arguments[0], ir.IntType(bits).as_pointer()))
        loaded.align = 1
        return loaded

    return codegen


@intrinsic
def _byte(_typing, _address):
    """The byte at an address."""
    return uint8(uint64), _load(8)


@intrinsic
def _word(_typing, _address):
    """The eight bytes from an address on, the first being the lowest (on a little-endian machine)."""
    return uint64(uint64), _load(64)


@intrinsic
def _trailing_zeros(_typing, _number):
    def codegen(_context, builder, _signature, arguments):
        return builder.cttz(arguments[0], ir.Constant(ir.IntType(1), 1))

    return uint64(uint64), codegen


@njit(cache=True, nogil=True)
def _plain_bytes(eight):
    """How many bytes of a word, from the first, are ASCII from the space on and neither quote nor backslash."""
    quotes, backslashes = eight ^ _QUOTES, eight ^ _BACKSLASHES
    marks = ((eight - _SPACES) & ~eight) | ((quotes - _ONES) & ~quotes) | ((backslashes - _ONES) & ~backslashes) | eight
    marks &= _HIGH_BITS
    return _WORD if marks == _0 else _trailing_zeros(marks) // _BITS


@njit(cache=True, nogil=True)
def _same(one, other, length):
    """Whether `length` bytes at two addresses are equal."""
    while length >= _WORD:
        if _word(one) != _word(other):
            return False
        one, other, length = one + _WORD, other + _WORD, length - _WORD
    while length > _0:
        if _byte(one) != _byte(other):
            return False
        one, other, length = one + _1, other + _1, length - _1
    return True


@njit(int64(_BUFFER), cache=True, nogil=True)
def count_lines(buffer):
    count = 1
    for each in buffer:
        count += each == 10
    return count


@njit(cache=True, nogil=True)
def _text_end(at, end):
    """Where the text that starts at `at` has its closing quote."""
    while at + _WORD <= end:
        plain = _plain_bytes(_word(at))
        at += plain
        if plain < _WORD:
            return at if _byte(at) == _QUOTE else _NOT_PLAIN
    while at < end:
        if _byte(at) == _QUOTE:
            return at
        if _byte(at) < _SPACE or _byte(at) > _DELETE or _byte(at) == _BACKSLASH:
            return _NOT_PLAIN
        at += _1
    return _NOT_PLAIN


@njit(cache=True, nogil=True)
def _named(at, end, names, name_ends, field):
    """Where the name of the field ends, if that and a quote stand at `at`."""
    first = _0 if field == 0 else _word(name_ends + _WORD * np.uint64(field - 1))
    length = _word(name_ends + _WORD * np.uint64(field)) - first
    if at + length >= end or _byte(at + length) != _QUOTE or not _same(at, names + first, length):
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
    if _byte(at) == _MINUS:
        at += _1
    first, value = at, np.int64(0)
    while at < end and _DIGIT_0 <= _byte(at) <= _DIGIT_9:
        value = value * 10 + np.int64(_byte(at) - _DIGIT_0)
        at += _1
    digits = at - first
    if digits == _0 or digits > np.uint64(18) or (digits > _1 and _byte(first) == _DIGIT_0):
        return np.int64(0), _NOT_PLAIN
    return (-value if first > begin else value), at


@njit(cache=True, nogil=True)
def _null_end(at, end):
    if at + _4 > end or _byte(at) != _N or _byte(at + _1) != _U or _byte(at + _2) != _L or _byte(at + _3) != _L:
        return _NOT_PLAIN
    return at + _4


@njit(cache=True, nogil=True)
def _value(at, end):
    """(kind, number, end) of the value at `at`"""
    if _byte(at) == _QUOTE:
        quote = _text_end(at + _1, end)
        return _TEXT, np.int64(0), _NOT_PLAIN if quote == _NOT_PLAIN else quote + _1
    if _byte(at) == _N:
        return _NULL, np.int64(0), _null_end(at, end)
    value, behind = _number(at, end)
    return _NUMBER, value, behind


@njit(cache=True, nogil=True)
def _line_end(at, end):
    """(end, whether there is nothing but blanks before it)"""
    blank = True
    while at < end and _byte(at) != _NEWLINE:
        blank = blank and (_byte(at) == _SPACE or _byte(at) == _TAB or _byte(at) == _RETURN)
        at += _1
    return at, blank


@njit(cache=True, nogil=True)
def _pair(at, end, names, name_ends, fields, likely):
    """(field, start of the value, kind, number, end) of the name and value at `at`; end is _NOT_PLAIN if torn."""
    if at >= end or _byte(at) != _QUOTE:
        return 0, at, _NULL, np.int64(0), _NOT_PLAIN
    field, quote = _field(at + _1, end, names, name_ends, fields, likely)
    if quote == _NOT_PLAIN or quote + _2 >= end or _byte(quote + _1) != _COLON:
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
    order = np.zeros(FIELDS_AT_MOST, np.int64)  # the fields of the line before, to be tried first
    row, line = 0, text
    while line < end:
        line_end, seen, at = _NOT_PLAIN, np.int64(0), line
        for place in range(FIELDS_AT_MOST if _byte(line) == _OPEN else 0):
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
            if _byte(at) != _COMMA:
                if _byte(at) == _CLOSE and (at + _1 == end or _byte(at + _1) == _NEWLINE):
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
