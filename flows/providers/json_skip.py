"""JSON that nobody reads: where a value of any kind ends, and that it is one (RFC 8259). Compiled by numba.

Addresses all; `NOT_PLAIN` for what is no JSON, or may be none to another reader.
"""

import numpy as np
from numba import njit

from flows.words import (
    BACKSLASH,
    DIGIT_0,
    DIGIT_9,
    FALSE,
    MINUS,
    NOT_PLAIN,
    NULL,
    QUOTE,
    SPACE,
    TRUE,
    WORD,
    byte,
    digits_end,
    literal_end,
    plain_bytes,
    word,
)

COMMA, COLON, OPEN, CLOSE, OPEN_LIST, CLOSE_LIST = (np.uint8(ord(char)) for char in ",:{}[]")

_0, _1, _2, _4, _6 = (np.uint64(number) for number in (0, 1, 2, 4, 6))
_TAB, _NEWLINE, _RETURN, _DOT, _PLUS = (np.uint8(ord(char)) for char in "\t\n\r.+")
_LETTER_A, _LETTER_D, _LETTER_E, _LETTER_F, _LETTER_U = (np.uint8(ord(char)) for char in "adefu")
_LOWER_CASE = np.uint8(0x20)
_DIGIT_8 = np.uint8(ord("8"))
_ESCAPES = np.frombuffer(b'"\\/bfnrt', np.uint8)
_DEEPEST = 60


@njit(cache=True, nogil=True)
def blank_end(at, end):
    while at < end and byte(at) <= SPACE:
        if byte(at) != SPACE and byte(at) != _NEWLINE and byte(at) != _RETURN and byte(at) != _TAB:
            return at
        at += _1
    return at


@njit(cache=True, nogil=True)
def behind(at, end, mark):
    """Behind blanks and `mark`."""
    if at == NOT_PLAIN:
        return NOT_PLAIN
    at = blank_end(at, end)
    return at + _1 if at < end and byte(at) == mark else NOT_PLAIN


@njit(cache=True, nogil=True)
def _is_digit(char):
    return DIGIT_0 <= char <= DIGIT_9


@njit(cache=True, nogil=True)
def _is_hex(char):
    return _is_digit(char) or _LETTER_A <= (char | _LOWER_CASE) <= _LETTER_F


@njit(cache=True, nogil=True)
def _escape_end(at, end):
    """Behind what follows a backslash; surrogates, which must come in pairs, are left to others."""
    if at >= end:
        return NOT_PLAIN
    if byte(at) != _LETTER_U:
        for char in _ESCAPES:
            if byte(at) == char:
                return at + _1
        return NOT_PLAIN
    if at + _6 > end or (byte(at + _1) | _LOWER_CASE == _LETTER_D and byte(at + _2) >= _DIGIT_8):
        return NOT_PLAIN
    for place in range(1, 5):
        if not _is_hex(byte(at + np.uint64(place))):
            return NOT_PLAIN
    return at + _4 + _1


@njit(cache=True, nogil=True)
def _string_end(at, end):
    """Behind the closing quote of any string of valid UTF-8 that starts at `at`."""
    while at < end:
        if at + WORD <= end:
            plain = plain_bytes(word(at))
            at += plain
            if plain == WORD:
                continue
        char = byte(at)
        if char == QUOTE:
            return at + _1
        if char == BACKSLASH:
            at = _escape_end(at + _1, end)
            if at == NOT_PLAIN:
                return NOT_PLAIN
        elif char < SPACE:
            return NOT_PLAIN
        else:
            at += _1
    return NOT_PLAIN


@njit(cache=True, nogil=True)
def _number_end(at, end):
    if byte(at) == MINUS:
        at += _1
    first = at
    at = digits_end(at, end)
    if at == NOT_PLAIN or (byte(first) == DIGIT_0 and at > first + _1):
        return NOT_PLAIN
    if at < end and byte(at) == _DOT:
        at = digits_end(at + _1, end)
    if at != NOT_PLAIN and at < end and byte(at) | _LOWER_CASE == _LETTER_E:
        at += _1
        if at < end and (byte(at) == _PLUS or byte(at) == MINUS):
            at += _1
        at = digits_end(at, end)
    return at


@njit(cache=True, nogil=True)
def _scalar_end(at, end):
    char = byte(at)
    if char == QUOTE:
        return _string_end(at + _1, end)
    if char == TRUE[0]:
        return literal_end(at, end, TRUE)
    if char == FALSE[0]:
        return literal_end(at, end, FALSE)
    if char == NULL[0]:
        return literal_end(at, end, NULL)
    return _number_end(at, end)


@njit(cache=True, nogil=True)
def _name_end(at, end):
    """Behind blanks, any name and its colon."""
    at = behind(at, end, QUOTE)
    return NOT_PLAIN if at == NOT_PLAIN else behind(_string_end(at, end), end, COLON)


@njit(cache=True, nogil=True)
def _closed(at, end, depth, lists):
    """(at, depth, lists) behind a value: behind the comma before the next one, or all that it closes."""
    while depth > 0:
        at = blank_end(at, end)
        if at >= end:
            return NOT_PLAIN, depth, lists
        in_list = lists & _1 != _0
        if byte(at) == COMMA:
            return (at + _1 if in_list else _name_end(at + _1, end)), depth, lists
        if byte(at) != (CLOSE_LIST if in_list else CLOSE):
            return NOT_PLAIN, depth, lists
        at, depth, lists = at + _1, depth - 1, lists >> _1
    return at, depth, lists


@njit(cache=True, nogil=True)
def skipped(at, end):
    """Behind the value at `at`, whatever it holds."""
    depth, lists = 0, _0  # of what is open, the innermost is the lowest bit: whether it is a list
    while at != NOT_PLAIN:
        at = blank_end(at, end)
        if at >= end:
            return NOT_PLAIN
        char = byte(at)
        if char in (OPEN, OPEN_LIST):
            if depth == _DEEPEST:
                return NOT_PLAIN
            depth, lists = depth + 1, (lists << _1) | (_1 if char == OPEN_LIST else _0)
            inner = blank_end(at + _1, end)
            if inner >= end:
                return NOT_PLAIN
            if byte(inner) != (CLOSE_LIST if char == OPEN_LIST else CLOSE):
                at = inner if char == OPEN_LIST else _name_end(inner, end)
                continue
            at = inner
        else:
            at = _scalar_end(at, end)
            if at == NOT_PLAIN:
                return NOT_PLAIN
        at, depth, lists = _closed(at, end, depth, lists)
        if depth == 0:
            return at
    return NOT_PLAIN
