"""The loop over bytes behind `flows.providers.plain_events`: our ids out of what providers echo, compiled by numba."""

import numpy as np
from numba import int8, int64, njit, uint64

from flows.words import DIGIT_0, DIGIT_9, LENGTH_BITS, NOTHING, byte

OURS, NOT_OURS, DOUBTFUL = range(3)
_1 = np.uint64(1)
_TILDE, _DOT, _UNDERSCORE, _HYPHEN = (np.uint8(ord(char)) for char in "~._-")
_LETTER_A, _LETTER_Z, _LOWER_CASE = np.uint8(ord("a")), np.uint8(ord("z")), np.uint8(0x20)
_LONGEST_CAMPAIGN = np.uint64(64)
_KEY_DIGITS, _ATTEMPT_DIGITS, _TIME_DIGITS = np.uint64(19), np.uint64(3), np.uint64(16)
_SURELY_FIT = np.uint64(18)
_HIGHEST_ATTEMPT, _LATEST_MS = 255, 2**53


@njit(cache=True, nogil=True)
def _campaign_end(at, end):
    """Where the tilde behind a campaign's name stands, or 0."""
    begin = at
    while at < end and byte(at) != _TILDE:
        char = byte(at)
        letter = _LETTER_A <= (char | _LOWER_CASE) <= _LETTER_Z
        mark = at > begin and char in (_DOT, _UNDERSCORE, _HYPHEN)
        if not (letter or DIGIT_0 <= char <= DIGIT_9 or mark):
            return np.uint64(0)
        at += _1
    return at if begin < at < end and at - begin <= _LONGEST_CAMPAIGN else np.uint64(0)


@njit(cache=True, nogil=True)
def _digits(at, end, most):
    """(number, where it ends or 0) of up to `most` digits; it may be wrong beyond 18."""
    begin, number = at, np.int64(0)
    while at < end and DIGIT_0 <= byte(at) <= DIGIT_9:
        number = number * 10 + np.int64(byte(at) - DIGIT_0)
        at += _1
    return number, at if begin < at and at - begin <= most else np.uint64(0)


@njit(
    int8[::1](uint64, int64[::1], int64[::1], int64[::1], int64[::1], int64[::1]),
    cache=True,
    nogil=True,
)
def scan_echoes(text, echoes, campaigns, keys, attempts, times):
    """For each of the cells `echoes` whether it is ours, and then the four columns; the others are not touched."""
    found = np.full(len(echoes), NOT_OURS, np.int8)
    for row in range(len(echoes)):
        if echoes[row] == NOTHING:
            continue
        begin = text + np.uint64(echoes[row] & 0xFFFFFFFF)
        end = begin + np.uint64(echoes[row] >> LENGTH_BITS)
        at = _campaign_end(begin, end)
        if at == 0:
            continue
        campaign = echoes[row] & 0xFFFFFFFF | np.int64(at - begin) << LENGTH_BITS
        key, behind_key = _digits(at + _1, end, _KEY_DIGITS)
        if behind_key == 0 or behind_key == end or byte(behind_key) != _TILDE:
            continue
        attempt, behind = _digits(behind_key + _1, end, _ATTEMPT_DIGITS)
        if behind == 0 or behind == end or byte(behind) != _TILDE:
            continue
        time, last = _digits(behind + _1, end, _TIME_DIGITS)
        if last != end:
            continue
        if behind_key - at > _SURELY_FIT:
            found[row] = DOUBTFUL
        elif 1 <= attempt <= _HIGHEST_ATTEMPT and time <= _LATEST_MS:
            found[row] = OURS
            campaigns[row], keys[row], attempts[row], times[row] = campaign, key, attempt, time
    return found
