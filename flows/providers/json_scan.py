"""The loops over bytes behind `flows.providers.json_rows`: compiled by numba, free of the GIL (see `flows.words`).

A document is walked along its path only; whatever lies beside it is skipped, but checked to be JSON (RFC 8259).
"""

import numpy as np
from numba import int64, njit, uint64

from flows.words import (
    BACKSLASH,
    DIGIT_0,
    DIGIT_9,
    LENGTH_BITS,
    MINUS,
    NOT_PLAIN,
    NOTHING,
    QUOTE,
    SPACE,
    WORD,
    byte,
    name_at,
    named,
    plain_bytes,
    put_word,
    text_end,
    whole_number,
    word,
)

TEXT, NUMBER, COUNT, FIRST_OF_LIST, STRANGE, _CODE = range(6)
"""What a field may hold: text; a whole number from 0 on; the same, also as text; an array whose first object has such a
number under a name of its own, read as text; nothing that this scan reads. Each may be null, but for `+ NOT_NULL`."""
NOT_NULL = 8

_0, _1, _2, _4, _6 = (np.uint64(number) for number in (0, 1, 2, 4, 6))
_COMMA, _COLON, _OPEN, _CLOSE, _OPEN_LIST, _CLOSE_LIST = (np.uint8(ord(char)) for char in ",:{}[]")
_TAB, _NEWLINE, _RETURN, _DOT, _PLUS = (np.uint8(ord(char)) for char in "\t\n\r.+")
_LETTER_A, _LETTER_D, _LETTER_E, _LETTER_F, _LETTER_U = (np.uint8(ord(char)) for char in "adefu")
_LOWER_CASE = np.uint8(0x20)
_DIGIT_8 = np.uint8(ord("8"))
_ESCAPES = np.frombuffer(b'"\\/bfnrt', np.uint8)
_TRUE, _FALSE, _NULL = (np.frombuffer(text, np.uint8) for text in (b"true", b"false", b"null"))
_DEEPEST = 60
_LONGEST_COUNT = np.uint64(15)


@njit(cache=True, nogil=True)
def _blank_end(at, end):
    while at < end and byte(at) <= SPACE:
        if byte(at) != SPACE and byte(at) != _NEWLINE and byte(at) != _RETURN and byte(at) != _TAB:
            return at
        at += _1
    return at


@njit(cache=True, nogil=True)
def _behind(at, end, mark):
    """Behind blanks and `mark`."""
    if at == NOT_PLAIN:
        return NOT_PLAIN
    at = _blank_end(at, end)
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
def _digits_end(at, end):
    """Behind at least one digit."""
    first = at
    while at < end and _is_digit(byte(at)):
        at += _1
    return at if at > first else NOT_PLAIN


@njit(cache=True, nogil=True)
def _number_end(at, end):
    if byte(at) == MINUS:
        at += _1
    first = at
    at = _digits_end(at, end)
    if at == NOT_PLAIN or (byte(first) == DIGIT_0 and at > first + _1):
        return NOT_PLAIN
    if at < end and byte(at) == _DOT:
        at = _digits_end(at + _1, end)
    if at != NOT_PLAIN and at < end and byte(at) | _LOWER_CASE == _LETTER_E:
        at += _1
        if at < end and (byte(at) == _PLUS or byte(at) == MINUS):
            at += _1
        at = _digits_end(at, end)
    return at


@njit(cache=True, nogil=True)
def _literal_end(at, end, literal):
    if at + np.uint64(len(literal)) > end:
        return NOT_PLAIN
    for char in literal:
        if byte(at) != char:
            return NOT_PLAIN
        at += _1
    return at


@njit(cache=True, nogil=True)
def _scalar_end(at, end):
    char = byte(at)
    if char == QUOTE:
        return _string_end(at + _1, end)
    if char == _TRUE[0]:
        return _literal_end(at, end, _TRUE)
    if char == _FALSE[0]:
        return _literal_end(at, end, _FALSE)
    if char == _NULL[0]:
        return _literal_end(at, end, _NULL)
    return _number_end(at, end)


@njit(cache=True, nogil=True)
def _name_end(at, end):
    """Behind blanks, any name and its colon."""
    at = _behind(at, end, QUOTE)
    return NOT_PLAIN if at == NOT_PLAIN else _behind(_string_end(at, end), end, _COLON)


@njit(cache=True, nogil=True)
def _closed(at, end, depth, lists):
    """(at, depth, lists) behind a value: behind the comma before the next one, or all that it closes."""
    while depth > 0:
        at = _blank_end(at, end)
        if at >= end:
            return NOT_PLAIN, depth, lists
        in_list = lists & _1 != _0
        if byte(at) == _COMMA:
            return (at + _1 if in_list else _name_end(at + _1, end)), depth, lists
        if byte(at) != (_CLOSE_LIST if in_list else _CLOSE):
            return NOT_PLAIN, depth, lists
        at, depth, lists = at + _1, depth - 1, lists >> _1
    return at, depth, lists


@njit(cache=True, nogil=True)
def _skipped(at, end):
    """Behind the value at `at`, whatever it holds."""
    depth, lists = 0, _0  # of what is open, the innermost is the lowest bit: whether it is a list
    while at != NOT_PLAIN:
        at = _blank_end(at, end)
        if at >= end:
            return NOT_PLAIN
        char = byte(at)
        if char in (_OPEN, _OPEN_LIST):
            if depth == _DEEPEST:
                return NOT_PLAIN
            depth, lists = depth + 1, (lists << _1) | (_1 if char == _OPEN_LIST else _0)
            inner = _blank_end(at + _1, end)
            if inner >= end:
                return NOT_PLAIN
            if byte(inner) != (_CLOSE_LIST if char == _OPEN_LIST else _CLOSE):
                at = inner if char == _OPEN_LIST else _name_end(inner, end)
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


@njit(cache=True, nogil=True)
def _text_cell(text, begin, behind):
    """Where a text stands, counted from `text`, and its length, as one number."""
    return np.int64(begin - text) | (np.int64(behind - begin) << LENGTH_BITS)


@njit(cache=True, nogil=True)
def _count(at, end):
    """(number, end) of the digits at `at`."""
    number, behind = whole_number(at, end)
    return number, NOT_PLAIN if number < 0 or behind - at > _LONGEST_COUNT else behind


@njit(cache=True, nogil=True)
def _quoted(at, end):
    """Behind a quote that stands right at `at`."""
    return at + _1 if at != NOT_PLAIN and at < end and byte(at) == QUOTE else NOT_PLAIN


@njit(cache=True, nogil=True)
def _cell(text, at, end, kind):
    """(cell, end) of the value at `at`."""
    char = byte(at)
    if char == _NULL[0]:
        return NOTHING, NOT_PLAIN if kind >= NOT_NULL else _literal_end(at, end, _NULL)
    kind &= NOT_NULL - 1
    if char == QUOTE and kind == COUNT:
        number, behind = _count(at + _1, end)
        return number, _quoted(behind, end)
    if char == QUOTE and kind == TEXT:
        quote = text_end(at + _1, end)
        return _text_cell(text, at + _1, quote), NOT_PLAIN if quote == NOT_PLAIN else quote + _1
    if char == QUOTE and kind == NUMBER:
        return NOTHING, NOT_PLAIN
    if char == QUOTE:  # Of other texts, some stand for numbers or null too.
        number, behind = _count(at + _1, end)
        return _text_cell(text, at + _1, behind), _quoted(behind, end)
    number, behind = _count(at, end)
    if kind == TEXT or behind == NOT_PLAIN:
        return NOTHING, NOT_PLAIN
    return (_text_cell(text, at, behind) if kind == _CODE else number), behind


@njit(cache=True, nogil=True)
def _object_cell(text, at, end, names, name_ends, inner):
    """(cell, end) of the member called `inner` of the object whose brace was just read."""
    cell, found = np.int64(NOTHING), False
    at = _blank_end(at, end)
    if at < end and byte(at) == _CLOSE:
        return cell, at + _1
    while True:
        at = _behind(at, end, QUOTE)
        if at == NOT_PLAIN:
            return cell, at
        quote = named(at, end, names, name_ends, inner)
        if quote == NOT_PLAIN:
            quote = text_end(at, end)
            if quote == NOT_PLAIN:
                return cell, quote
            at = _skipped(_behind(quote + _1, end, _COLON), end)
        else:
            at = _behind(quote + _1, end, _COLON)
            if found or at == NOT_PLAIN:
                return cell, NOT_PLAIN
            at = _blank_end(at, end)
            found = True
            cell, at = (np.int64(NOTHING), NOT_PLAIN) if at >= end else _cell(text, at, end, _CODE)
        if at == NOT_PLAIN:
            return cell, at
        at = _blank_end(at, end)
        if at >= end or (byte(at) != _COMMA and byte(at) != _CLOSE):
            return cell, NOT_PLAIN
        at += _1
        if byte(at - _1) == _CLOSE:
            return cell, at


@njit(cache=True, nogil=True)
def _first_cell(text, at, end, names, name_ends, inner):
    """(cell, end) of the list at `at`, whose objects but for the first are only checked to be objects."""
    if byte(at) == _NULL[0]:
        return np.int64(NOTHING), _literal_end(at, end, _NULL)
    at = _behind(at, end, _OPEN_LIST)
    if at == NOT_PLAIN:
        return np.int64(NOTHING), at
    at = _blank_end(at, end)
    if at < end and byte(at) == _CLOSE_LIST:
        return np.int64(NOTHING), at + _1
    first, cell, comma = True, np.int64(NOTHING), True
    while comma:
        at = _behind(at, end, _OPEN)
        if at == NOT_PLAIN:
            return cell, at
        other, at = _object_cell(text, at, end, names, name_ends, inner)
        if at == NOT_PLAIN:
            return cell, at
        cell, first = (other if first else cell), False
        at = _blank_end(at, end)
        if at >= end or (byte(at) != _COMMA and byte(at) != _CLOSE_LIST):
            return cell, NOT_PLAIN
        comma = byte(at) == _COMMA
        at += _1
    return cell, at


@njit(cache=True, nogil=True)
def _row(text, at, end, names, name_ends, kinds, fields, inner, cells):
    """Behind the object whose brace was just read; its fields stand in `cells`."""
    for field in range(fields):
        put_word(cells + WORD * np.uint64(field), np.int64(NOTHING))
    seen, likely = np.int64(0), 0
    at = _blank_end(at, end)
    if at < end and byte(at) == _CLOSE:
        return at + _1
    while True:
        at = _behind(at, end, QUOTE)
        if at == NOT_PLAIN:
            return at
        field, quote = name_at(at, end, names, name_ends, fields, likely)
        if quote == NOT_PLAIN:
            return quote
        at = _behind(quote + _1, end, _COLON)
        if at == NOT_PLAIN:
            return at
        at = _blank_end(at, end)
        if at >= end:
            return NOT_PLAIN
        if field < 0:
            at = _skipped(at, end)
        else:
            kind = np.int64(word(kinds + WORD * np.uint64(field)))
            if kind == STRANGE or seen & (np.int64(1) << field):
                return NOT_PLAIN
            seen |= np.int64(1) << field
            likely = field + 1 if field + 1 < fields else 0
            if kind == FIRST_OF_LIST:
                cell, at = _first_cell(text, at, end, names, name_ends, inner)
            else:
                cell, at = _cell(text, at, end, kind)
            put_word(cells + WORD * np.uint64(field), cell)
        if at == NOT_PLAIN:
            return at
        at = _blank_end(at, end)
        if at >= end or (byte(at) != _COMMA and byte(at) != _CLOSE):
            return NOT_PLAIN
        at += _1
        if byte(at - _1) == _CLOSE:
            return at


@njit(cache=True, nogil=True)
def _lacks(required, cells):
    for field in range(required):  # noqa: SIM110  # numba compiles no generators
        if np.int64(word(cells + WORD * np.uint64(field))) == NOTHING:
            return True
    return False


@njit(cache=True, nogil=True)
def _entered(at, end, is_list):
    """(at, whether there is an object) behind the brace of the first object at `at`, or behind an empty list."""
    if is_list:
        at = _behind(at, end, _OPEN_LIST)
        if at == NOT_PLAIN:
            return at, False
        at = _blank_end(at, end)
        if at < end and byte(at) == _CLOSE_LIST:
            return at + _1, False
    return _behind(at, end, _OPEN), True


@njit(cache=True, nogil=True)
def _left(at, end, level, lists, in_list):
    """(at, level, whether another object follows) behind an object of `level` whose brace was just read; `in_list`:
    the first level is one, too.
    """
    if (level == 0 and not in_list) or (level > 0 and word(lists + WORD * np.uint64(level - 1)) == _0):
        return at, level - 1, False
    at = _blank_end(at, end)
    if at >= end or (byte(at) != _COMMA and byte(at) != _CLOSE_LIST):
        return NOT_PLAIN, level, False
    if byte(at) == _COMMA:
        return _behind(at + _1, end, _OPEN), level, True
    return at + _1, level - 1, False


@njit(cache=True, nogil=True)
def _guarded(at, end, guard, guard_ends):
    """Behind the text at `at`, if it is the one the guard demands."""
    at = _behind(at, end, QUOTE)
    if at == NOT_PLAIN:
        return at
    quote = named(at, end, guard, guard_ends, 1)
    return quote if quote == NOT_PLAIN else quote + _1


@njit(cache=True, nogil=True)
def _document(
    text, at, end, path, path_ends, lists, levels, guard, guard_ends, guard_level,
    names, name_ends, kinds, fields, required, inner, cells, row,
):  # fmt: skip
    """How many rows there are in all, `row` being there before; -1 if the document between `at` and `end` is not plain.

    An object of `level` holds the next one, or the list of them (`lists`), under the name `path[level]`; those of
    `levels` are the rows. An object of `guard_level` must hold the text `guard[1]` under the name `guard[0]`.
    """
    level, first, found, met = 0, True, np.int64(0), False
    at = _blank_end(at, end)
    in_list = levels == 0 and at < end and byte(at) == _OPEN_LIST
    at, inside = _entered(at, end, in_list)
    level = 0 if inside else -1
    while at != NOT_PLAIN and level >= 0:
        if level == levels:
            here = cells + WORD * np.uint64(row * fields)
            at = _row(text, at, end, names, name_ends, kinds, fields, inner, here)
            if at == NOT_PLAIN or _lacks(required, here):
                return -1
            row += 1
            at, level, again = _left(at, end, level, lists, in_list)
            first = False
            continue
        at = _blank_end(at, end)
        if at >= end:
            return -1
        if byte(at) == _CLOSE:
            if not found & (np.int64(1) << level) or (level == guard_level and not met):
                return -1
            at, level, again = _left(at + _1, end, level, lists, in_list)
            first = again
            if again:
                found, met = found & ~(np.int64(1) << level), met and level != guard_level
            continue
        if not first:
            if byte(at) != _COMMA:
                return -1
            at += _1
        first = False
        at = _behind(at, end, QUOTE)
        if at == NOT_PLAIN:
            return -1
        quote = named(at, end, path, path_ends, level)
        if quote != NOT_PLAIN:
            at, inside = _entered(_behind(quote + _1, end, _COLON), end, word(lists + WORD * np.uint64(level)) != _0)
            if found & (np.int64(1) << level):
                return -1
            found |= np.int64(1) << level
            if inside:
                level, first = level + 1, True
                found, met = found & ~(np.int64(1) << level), met and level != guard_level
            continue
        if level == guard_level:
            quote = named(at, end, guard, guard_ends, 0)
            if quote != NOT_PLAIN:
                if met:
                    return -1
                at, met = _guarded(_behind(quote + _1, end, _COLON), end, guard, guard_ends), True
                continue
        quote = text_end(at, end)
        at = quote if quote == NOT_PLAIN else _skipped(_behind(quote + _1, end, _COLON), end)
    return row if at != NOT_PLAIN and _blank_end(at, end) == end else -1


@njit(
    int64(
        uint64, int64[::1], int64[::1], uint64, uint64, uint64, int64, uint64, uint64, int64,
        uint64, uint64, uint64, int64, int64, int64, uint64,
    ),
    cache=True,
    nogil=True,
)  # fmt: skip
def scan_documents(
    text, lengths, counts, path, path_ends, lists, levels, guard, guard_ends, guard_level,
    names, name_ends, kinds, fields, required, inner, cells,
):  # fmt: skip
    """How many rows the documents that stand behind one another at `text` have, and in `counts` each; -1: not plain."""
    row, at = 0, text
    for document in range(len(lengths)):
        end = at + np.uint64(lengths[document])
        rows = _document(
            text, at, end, path, path_ends, lists, levels, guard, guard_ends, guard_level,
            names, name_ends, kinds, fields, required, inner, cells, row,
        )  # fmt: skip
        counts[document] = rows - row if rows >= 0 else -1
        row, at = max(row, rows), end
    return row
