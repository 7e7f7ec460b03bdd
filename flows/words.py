"""Memory read eight bytes at a time, for compiled loops over text.

Addresses instead of arrays: numba counts the references to an array atomically at every call that takes it, which costs
more than reading a short text. The tricks with words are those of
https://graphics.stanford.edu/~seander/bithacks.html (whether a word has a byte less than n, or equal to n).
"""

import numpy as np
from llvmlite import ir
from numba import njit, uint8, uint64
from numba.extending import intrinsic

WORD = np.uint64(8)
_0, _1, _64 = np.uint64(0), np.uint64(1), np.uint64(64)
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
def byte(_typing, _address):
    """The byte at an address."""
    return uint8(uint64), _load(8)


@intrinsic
def word(_typing, _address):
    """The eight bytes from an address on, the first being the lowest (on a little-endian machine)."""
    return uint64(uint64), _load(64)


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
    return WORD if marks == _0 else _trailing_zeros(marks) // WORD


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
