"""Texts that stand somewhere in a buffer: numbered, hashed, gathered. Compiled by numba, free of the GIL.

A negative length is a null, which counts as empty.
"""

import numpy as np
from numba import int32, int64, njit, types, uint8, uint32

# With signatures given, this is compiled, or loaded from numba's cache, when the module is imported.
_BUFFER = types.Array(uint8, 1, "C", readonly=True)


@njit(cache=True, nogil=True)
def _hash(buffer, start, length):
    mixed = np.uint64(2166136261)
    for place in range(start, start + length):
        mixed = ((mixed ^ np.uint64(buffer[place])) * np.uint64(16777619)) & np.uint64(0xFFFFFFFF)
    return np.int64(mixed)


@njit(uint32[::1](_BUFFER, int32[::1], int32[::1]), cache=True, nogil=True)
def hash_texts(buffer, starts, lengths):
    """FNV-1a, 32 bits."""
    found = np.empty(len(starts), np.uint32)
    for row in range(len(starts)):
        found[row] = _hash(buffer, starts[row], max(0, lengths[row]))
    return found


@njit(uint8[::1](_BUFFER, int32[::1], int64[::1]), cache=True, nogil=True)
def gather_texts(buffer, starts, ends):
    """One behind the other, so that `ends[row + 1]` is where that of a row ends."""
    gathered = np.empty(ends[-1], np.uint8)
    for row in range(len(starts)):
        first, length = ends[row], ends[row + 1] - ends[row]
        gathered[first : first + length] = buffer[starts[row] : starts[row] + length]
    return gathered


@njit(cache=True, nogil=True)
def _same(buffer, start, length, other, other_length):
    if max(0, length) != max(0, other_length):
        return False
    for place in range(length):  # noqa: SIM110  # numba compiles no generators
        if buffer[start + place] != buffer[other + place]:
            return False
    return True


@njit(types.Tuple((uint32[::1], int64[::1]))(_BUFFER, int32[::1], int32[::1]), cache=True, nogil=True)
def intern_texts(buffer, starts, lengths):
    """Codes, and the first row of each; an open-addressing table of rows, doubled when half full."""
    rows = len(starts)
    codes = np.empty(rows, np.uint32)
    firsts = np.empty(rows, np.int64)
    table = np.full(64, -1, np.int64)
    known = 0
    for row in range(rows):
        start, length = starts[row], lengths[row]
        if row and _same(buffer, start, length, starts[row - 1], lengths[row - 1]):
            codes[row] = codes[row - 1]
            continue
        at = _hash(buffer, start, max(0, length)) & (len(table) - 1)
        while table[at] >= 0:
            first = firsts[table[at]]
            if _same(buffer, start, length, starts[first], lengths[first]):
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
                at = _hash(buffer, starts[first], max(0, lengths[first])) & (len(table) - 1)
                while table[at] >= 0:
                    at = (at + 1) & (len(table) - 1)
                table[at] = code
    return codes, firsts[:known]
