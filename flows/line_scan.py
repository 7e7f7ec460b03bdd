"""The loop over bytes behind `flows.plain_writer`: cells to NDJSON, compiled by numba, free of the GIL."""

import numpy as np
from numba import boolean, int64, njit, uint64

from flows.words import LENGTH_BITS, NOTHING, QUOTE, WORD, copied, put_byte, word, written

_0, _1 = np.uint64(0), np.uint64(1)
_COMMA, _OPEN, _CLOSE, _NEWLINE = (np.uint8(ord(char)) for char in ",{}\n")


@njit(cache=True, nogil=True)
def _written_field(to, name, length, cell, text, is_text):
    to = copied(to, name, length)
    if is_text:
        put_byte(to, QUOTE)
        to = copied(to + _1, text + np.uint64(cell & 0xFFFFFFFF), np.uint64(cell >> LENGTH_BITS))
        put_byte(to, QUOTE)
        to += _1
    else:
        to = written(to, cell)
    put_byte(to, _COMMA)
    return to + _1


@njit(
    int64[::1](uint64, int64[:, ::1], boolean[::1], uint64, uint64, int64[::1], uint64),
    cache=True,
    nogil=True,
)
def write_lines(text, cells, are_texts, names, name_ends, order, lines):
    """Where each line ends, counted from `lines`, in the order of the columns `order` of `cells`.

    A row of `cells` is a field, called as the next of `names` says: `"name":`. There is room for the longest lines.
    """
    ends = np.empty(len(order), np.int64)
    to = lines
    for place in range(len(order)):
        put_byte(to, _OPEN)
        to += _1
        name_at = names
        for field in range(len(cells)):
            name_end = names + word(name_ends + WORD * np.uint64(field))
            cell = cells[field, order[place]]
            if cell != NOTHING:
                to = _written_field(to, name_at, name_end - name_at, cell, text, are_texts[field])
            name_at = name_end
        put_byte(to - _1, _CLOSE)
        put_byte(to, _NEWLINE)
        to += _1
        ends[place] = np.int64(to - lines)
    return ends
