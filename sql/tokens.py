"""Just enough of ClickHouse's lexer to see where a statement ends and where an INSERT's data begins."""

import re
from collections.abc import Iterator
from enum import Enum, auto
from itertools import pairwise
from typing import NamedTuple

_TOKEN = re.compile(
    rb"""
      (?P<blank>\s+|--[^\n]*|\#[!\ ][^\n]*|/\*.*?\*/)
    | (?P<quoted>'(?:[^'\\]|\\.|'')*'|"(?:[^"\\]|\\.|"")*"|`(?:[^`\\]|\\.|``)*`|\$(?P<tag>\w*)\$.*?\$(?P=tag)\$)
    | (?P<word>[A-Za-z_]\w*)
    | (?P<number>\d[\w.]*)
    | (?P<mark>.)
    """,
    re.VERBOSE | re.DOTALL,
)
_OPENING, _CLOSING = b"([{", b")]}"
_AFTER_FORMAT = re.compile(rb"[ \t\f]*\r?\n?")


class Insert(NamedTuple):
    """An INSERT whose data stands behind the statement."""

    statement: str  # without its FORMAT or VALUES
    format: str
    data_start: int


class Scan(Enum):
    """What `scan_insert` may find instead."""

    NO_DATA = auto()  # another statement, or an INSERT that reads its rows elsewhere
    INCOMPLETE = auto()  # more text is needed to tell


def split_statements(text: str) -> list[str]:
    """The statements of a script, at the `;` outside of quotes and comments; comments alone are none."""
    encoded = text.encode()
    statements, start, has_code = [], 0, False
    for token in _TOKEN.finditer(encoded):
        if token["mark"] == b";":
            if has_code:
                statements.append(encoded[start : token.start()].decode().strip())
            start, has_code = token.end(), False
        elif not token["blank"]:
            has_code = True
    if has_code:
        statements.append(encoded[start:].decode().strip())
    return statements


def first_word(statement: str) -> str:
    """The keyword a statement starts with, in capitals; `SELECT` also for one in parentheses."""
    for token in _TOKEN.finditer(statement.encode()):
        if token["word"]:
            return token["word"].decode().upper()
    return ""


def output_format(statement: str) -> tuple[str, str | None]:
    """The statement without its FORMAT clause, and the format it names."""
    encoded = statement.encode()
    for token, following in pairwise(_top_level(encoded)):
        if _is_word(token, b"FORMAT") and following["word"]:
            rest = (encoded[: token.start()] + encoded[following.end() :]).decode()
            return rest.strip(), following["word"].decode()
    return statement, None


def scan_insert(text: bytes) -> Insert | Scan:
    """Find where the data of an INSERT begins in `text`, which may be cut anywhere behind that place."""
    tokens = _top_level(text)
    first = next(tokens, None)
    if first is None:
        return Scan.INCOMPLETE
    if not _is_word(first, b"INSERT"):
        return Scan.NO_DATA
    for token in tokens:
        if token.end() == len(text):
            return Scan.INCOMPLETE  # the word may go on
        word = (token["word"] or b"").upper()
        if word in (b"SELECT", b"WITH", b"FROM", b"WATCH"):
            return Scan.NO_DATA
        if word == b"VALUES":
            return Insert(text[: token.start()].decode(), "Values", token.end())
        if word == b"FORMAT":
            return _formatted_insert(text, token.start(), next(tokens, None))
    return Scan.INCOMPLETE


def insert_from_file(statement: str, path: str, name: str) -> str:
    """An INSERT without data, made to read the rows at `path`, in the format `name`."""
    encoded = statement.encode()
    end = next((token.start() for token in _top_level(encoded) if _is_word(token, b"SETTINGS")), len(encoded))
    head, settings = encoded[:end].decode().rstrip(), encoded[end:].decode()
    return f"{head} FROM INFILE '{path}' COMPRESSION 'none' {settings} FORMAT {name}"


def _formatted_insert(text: bytes, start: int, name: re.Match[bytes] | None) -> Insert | Scan:
    """ClickHouse takes the data to begin behind the format's name, blanks and one newline."""
    if name is None or not name["word"] or name.end() == len(text):
        return Scan.INCOMPLETE
    gap = _AFTER_FORMAT.match(text, name.end())
    assert gap is not None  # it matches nothing, too
    return Insert(text[:start].decode(), name["word"].decode(), gap.end())


def _top_level(text: bytes) -> Iterator[re.Match[bytes]]:
    """Tokens outside of any bracket, blanks and comments left out."""
    depth = 0
    for token in _TOKEN.finditer(text):
        mark = token["mark"]
        if mark and mark in _CLOSING:
            depth -= 1
        if depth == 0 and not token["blank"]:
            yield token
        if mark and mark in _OPENING:
            depth += 1


def _is_word(token: re.Match[bytes], word: bytes) -> bool:
    return bool(token["word"]) and token["word"].upper() == word
