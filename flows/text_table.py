"""Texts at addresses: numbered, hashed, gathered. Compiled by numba, free of the GIL.

Whoever calls keeps alive what the texts stand in. Whoever changes this file removes `__pycache__`: `flows.plain_scan`
has it compiled in, and numba's cache only looks whether that file has changed.
"""

import numpy as np
from numba import int32, int64, njit, types, uint8, uint32, uint64

from flows.words import WORD, byte, put_byte, put_word, same, word

_0, _1, _8, _32, _33 = (np.uint64(number) for number in (0, 1, 8, 32, 33))
_FIRST, _SECOND = np.uint64(0xFF51AFD7ED558CCD), np.uint64(0xC4CEB9FE1A85EC53)
_ODD = np.uint64(0x9E3779B97F4A7C15)
"""2^64 over the golden ratio: Fibonacci hashing (Knuth, TAOCP 3, 6.4)."""


@njit(cache=True, nogil=True)
def _size(length):
    return np.uint64(max(length, 0))


@njit(cache=True, nogil=True)
def _mixed(text, length):
    """64 bits, eight bytes at a time by multiplication and folding; the last of a long text may be read twice.

    The end is MurmurHash3's fmix64 (https://github.com/aappleby/smhasher).
    """
    mixed, left = length ^ _ODD, length
    while left >= WORD:
        mixed = (mixed ^ word(text + length - left)) * _ODD
        mixed, left = mixed ^ (mixed >> _32), left - WORD
    tail = _0
    if left > _0 and length >= WORD:
        tail = word(text + length - WORD)
    else:
        for place in range(_0, left):
            tail = (tail << _8) | np.uint64(byte(text + place))
    mixed = (mixed ^ tail) * _ODD
    mixed = (mixed ^ (mixed >> _33)) * _FIRST
    mixed = (mixed ^ (mixed >> _33)) * _SECOND
    return mixed ^ (mixed >> _33)


@njit(uint32(uint64, uint64), cache=True, nogil=True)
def hash_text(text, length):
    """The upper half of a text's hash. Windows keep it, and processes compare it: it stays as it is."""
    return np.uint32(_mixed(text, length) >> _32)


@njit(uint8[::1](int64[::1], int64[::1]), cache=True, nogil=True)
def gather_texts(starts, ends):
    """One behind the other, so that `ends[row + 1]` is where that of a row ends."""
    gathered = np.empty(ends[-1], np.uint8)
    to = np.uint64(gathered.ctypes.data)
    for row in range(len(starts)):
        at, behind = np.uint64(starts[row]), to + np.uint64(ends[row + 1] - ends[row])
        while to + WORD <= behind:
            put_word(to, np.int64(word(at)))
            to, at = to + WORD, at + WORD
        while to < behind:
            put_byte(to, byte(at))
            to, at = to + _1, at + _1
    return gathered


@njit(cache=True, nogil=True)
def _slot(text, length, slots):
    """Where to look first in a table of so many slots, a power of two."""
    return np.int64(hash_text(text, length)) & np.int64(slots - 1)


@njit(cache=True, nogil=True)
def _doubled(starts, lengths, firsts, slots):
    """A table of the rows `firsts`."""
    table = np.full(slots, -1, np.int64)
    for code in range(len(firsts)):
        first = firsts[code]
        at = _slot(np.uint64(starts[first]), _size(lengths[first]), slots)
        while table[at] >= 0:
            at = (at + 1) & (slots - 1)
        table[at] = code
    return table


@njit(types.Tuple((uint32[::1], int64[::1]))(int64[::1], int32[::1]), cache=True, nogil=True)
def intern_texts(starts, lengths):
    """Codes, and the first row of each; an open-addressing table of codes, doubled when half full.

    A negative length is a null, which counts as empty.
    """
    rows = len(starts)
    codes, firsts = np.empty(rows, np.uint32), np.empty(rows, np.int64)
    table, known, code = np.full(64, -1, np.int64), 0, np.int64(-1)
    last, last_length = _0, _0  # the text of `code`: most are as the one before
    for row in range(rows):
        text, length = np.uint64(starts[row]), _size(lengths[row])
        if code < 0 or length != last_length or not same(text, last, length):
            at = _slot(text, length, len(table))
            while table[at] >= 0:
                first = firsts[table[at]]
                if length == _size(lengths[first]) and same(text, np.uint64(starts[first]), length):
                    break
                at = (at + 1) & (len(table) - 1)
            code, last, last_length = table[at], text, length
            if code < 0:
                code = np.int64(known)
                firsts[known], table[at] = row, code
                known += 1
                if 2 * known > len(table):
                    table = _doubled(starts, lengths, firsts[:known], 2 * len(table))
        codes[row] = code
    return codes, firsts[:known]


@njit(cache=True, nogil=True)
def code_of(text, length, field, table, known, counts):
    """The code of a text among those of its field, from 1 on; `known[field, code]` tells where it stands and how long
    it is.

    `table` (by field, codes by slot, 0 where it is free) is given no more once it is half full, so that it need not
    grow: a text beyond gets another code each time.
    """
    slots = table.shape[1]
    at = _slot(text, length, slots)
    while table[field, at] > 0:
        code = np.int64(table[field, at])
        if length == np.uint64(known[field, code, 1]) and same(text, np.uint64(known[field, code, 0]), length):
            return code
        at = (at + 1) & (slots - 1)
    counts[field] += 1
    code = counts[field]
    known[field, code, 0], known[field, code, 1] = text, length
    if 2 * code < slots:
        table[field, at] = code
    return code
