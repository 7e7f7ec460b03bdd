"""Text at addresses, compiled by numba, free of the GIL: `at` is where to read, `end` the first byte behind it all.

Addresses instead of arrays: numba counts the references to an array atomically at every call that takes it, which costs
more than reading a short text. It is read eight bytes at a time, by the tricks of
https://graphics.stanford.edu/~seander/bithacks.html (whether a word has a byte less than n, or equal to n).

Whoever changes this file removes `__pycache__`: numba's cache only looks whether the file of the caller has changed.
"""

from typing import Any

import numpy as np
from llvmlite import ir
from numba import int64, njit, types, uint8, uint64
from numba.extending import intrinsic
from numpy.typing import NDArray

NOT_PLAIN = np.uint64(0)
"""In place of an address, where nothing can be."""
NOTHING = -1
"""A cell that is null. Others are a number from 0 on, or where a text stands, its length in the upper 32 bits."""
LENGTH_BITS = 32
_0, _1 = np.uint64(0), np.uint64(1)
QUOTE, BACKSLASH, SPACE, DELETE, MINUS, DIGIT_0, DIGIT_9 = (np.uint8(ord(char)) for char in '"\\ \x7f-09')
TRUE, FALSE, NULL = (np.frombuffer(text, np.uint8) for text in (b"true", b"false", b"null"))

WORD = np.uint64(8)
_BITS = np.uint64(8)
_ONES = np.uint64(0x0101010101010101)
_HIGH_BITS = np.uint64(0x8080808080808080)
_SPACES = np.uint64(0x2020202020202020)
_QUOTES = np.uint64(0x2222222222222222)
_BACKSLASHES = np.uint64(0x5C5C5C5C5C5C5C5C)


def address(array: NDArray[Any]) -> np.uint64:
    """Where an array that is kept alive by the caller has its first byte."""
    return np.uint64(array.ctypes.data)


def _load(bits):
    def codegen(_context, builder, _signature, arguments):
        loaded = builder.load(builder.inttoptr(arguments[0], ir.IntType(bits).as_pointer()))
        loaded.align = 1
        return loaded

    return codegen


def _store(bits):
    def codegen(context, builder, _signature, arguments):
        stored = builder.store(arguments[1], builder.inttoptr(arguments[0], ir.IntType(bits).as_pointer()))
        stored.align = 1
        return context.get_dummy_value()

    return codegen


@intrinsic
def byte(_typing, _address):
    """The byte at an address."""
    return uint8(uint64), _load(8)


@intrinsic
def word(_typing, _address):
    """The eight bytes from an address on, the first being the lowest (on a little-endian machine)."""
    return uint64(uint64), _load(64)


@intrinsic
def put_byte(_typing, _address, _value):
    return types.void(uint64, uint8), _store(8)


@intrinsic
def put_word(_typing, _address, _value):
    return types.void(uint64, int64), _store(64)


@intrinsic
def _trailing_zeros(_typing, _number):
    def codegen(_context, builder, _signature, arguments):
        return builder.cttz(arguments[0], ir.Constant(ir.IntType(1), 1))

    return uint64(uint64), codegen


@njit(cache=True, nogil=True)
def plain_bytes(eight):
    """How many bytes of a word, from the first, are ASCII from the space on and neither quote nor backslash."""
    quotes, backslashes = eight ^ _QUOTES, eight ^ _BACKSLASHES
    marks = ((eight - _SPACES) & ~eight) | ((quotes - _ONES) & ~quotes) | ((backslashes - _ONES) & ~backslashes) | eight
    marks &= _HIGH_BITS
    return WORD if marks == _0 else _trailing_zeros(marks) // _BITS


@njit(cache=True, nogil=True)
def same(one, other, length):
    """Whether `length` bytes at two addresses are equal."""
    while length >= WORD:
        if word(one) != word(other):
            return False
        one, other, length = one + WORD, other + WORD, length - WORD
    while length > _0:
        if byte(one) != byte(other):
            return False
        one, other, length = one + _1, other + _1, length - _1
    return True


@njit(cache=True, nogil=True)
def text_end(at, end):
    """Where the text that starts at `at` has its closing quote: printable ASCII without escapes, or `NOT_PLAIN`."""
    while at + WORD <= end:
        plain = plain_bytes(word(at))
        at += plain
        if plain < WORD:
            return at if byte(at) == QUOTE else NOT_PLAIN
    while at < end:
        if byte(at) == QUOTE:
            return at
        if byte(at) < SPACE or byte(at) > DELETE or byte(at) == BACKSLASH:
            return NOT_PLAIN
        at += _1
    return NOT_PLAIN


@njit(cache=True, nogil=True)
def named(at, end, names, name_ends, name):
    """Where a name ends, if that and a quote stand at `at`; `name_ends` are the 64-bit ends of texts in `names`."""
    first = _0 if name == 0 else word(name_ends + WORD * np.uint64(name - 1))
    length = word(name_ends + WORD * np.uint64(name)) - first
    if at + length >= end or byte(at + length) != QUOTE or not same(at, names + first, length):
        return NOT_PLAIN
    return at + length


@njit(cache=True, nogil=True)
def name_at(at, end, names, name_ends, count, likely):
    """(number, end) of the name at `at`, number -1 if it is none of ours; `likely` is tried first."""
    behind = named(at, end, names, name_ends, likely)
    if behind != NOT_PLAIN:
        return likely, behind
    for name in range(count):
        behind = named(at, end, names, name_ends, name)
        if behind != NOT_PLAIN:
            return name, behind
    return -1, text_end(at, end)


@njit(cache=True, nogil=True)
def whole_number(at, end):
    """(value, end) of the whole number at `at`; 18 digits surely fit."""
    begin = at
    if byte(at) == MINUS:
        at += _1
    first, value = at, np.int64(0)
    while at < end and DIGIT_0 <= byte(at) <= DIGIT_9:
        value = value * 10 + np.int64(byte(at) - DIGIT_0)
        at += _1
    digits = at - first
    if digits == _0 or digits > np.uint64(18) or (digits > _1 and byte(first) == DIGIT_0):
        return np.int64(0), NOT_PLAIN
    return (-value if first > begin else value), at


@njit(cache=True, nogil=True)
def digits_end(at, end):
    """Behind at least one digit."""
    first = at
    while at < end and DIGIT_0 <= byte(at) <= DIGIT_9:
        at += _1
    return at if at > first else NOT_PLAIN


@njit(cache=True, nogil=True)
def literal_end(at, end, literal):
    """Behind one of `TRUE`, `FALSE` and `NULL`."""
    if at + np.uint64(len(literal)) > end:
        return NOT_PLAIN
    for char in literal:
        if byte(at) != char:
            return NOT_PLAIN
        at += _1
    return at


@njit(cache=True, nogil=True)
def copied(to, text, length):
    """Behind the copy; up to seven bytes more are read and written."""
    for place in range(_0, length, WORD):
        put_word(to + place, np.int64(word(text + place)))
    return to + length


@njit(cache=True, nogil=True)
def written(to, number):
    """Behind the digits of a number from 0 on."""
    end, left = to + _1, number
    while left > 9:
        end, left = end + _1, left // 10
    at = end
    while at > to:
        at -= _1
        put_byte(at, np.uint8(DIGIT_0 + np.uint8(number % 10)))
        number //= 10
    return end
