"""Plain lines are read straight into columns, exactly as the general reader would have read them."""

import json
from ctypes import string_at
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from flows.lines import Lines, read_rows
from flows.plain_lines import PlainReader, fingerprint, fingerprints, interned, locate
from flows.topics import Record
from flows.words import address

TEXTS, INTEGERS, FLAGS = ("name", "nick"), ("age", "height"), ("tall",)
SCHEMA = pl.Schema(
    {**dict.fromkeys(TEXTS, pl.String), **dict.fromkeys(INTEGERS, pl.Int64), **dict.fromkeys(FLAGS, pl.Boolean)}
)
READER = PlainReader(TEXTS, INTEGERS, FLAGS)


def read(text: bytes) -> tuple[list[bool], list[dict[str, Any]]]:
    """Which lines are plain, and each line's fields (all None where it isn't)."""
    records = locate([text])
    found = READER.read(records)
    rows = []
    for row in range(len(found.plain)):
        texts = [
            None if length < 0 else string_at(int(start), int(length)).decode()
            for start, length in zip(found.starts[:, row], found.lengths[:, row], strict=True)
        ]
        numbers = [
            None if absent else int(n) for n, absent in zip(found.numbers[:, row], found.absent[:, row], strict=True)
        ]
        rows.append(dict(zip((*TEXTS, *INTEGERS, *FLAGS), (*texts, *numbers), strict=True)))
    return found.plain.tolist(), rows


def line(**fields: object) -> bytes:
    return json.dumps(fields, separators=(",", ":")).encode()


def test_fields_in_any_order_missing_null_and_unknown() -> None:
    text = b"\n".join(
        [
            line(name="a", nick="b", age=1, height=-2),
            line(height=3, age=0, nick=None, name="é"[:0]),
            line(other="x", name="n", more=None, most=-12, tall=True),
            line(rate=-0.25, done=False, age=4, tall=False),
        ]
    )
    plain, rows = read(text)
    assert plain == [True, True, True, True]
    assert rows == [
        {"name": "a", "nick": "b", "age": 1, "height": -2, "tall": None},
        {"name": "", "nick": None, "age": 0, "height": 3, "tall": None},
        {"name": "n", "nick": None, "age": None, "height": None, "tall": True},
        {"name": None, "nick": None, "age": 4, "height": None, "tall": False},
    ]


@pytest.mark.parametrize(
    "text",
    [
        b'{"name": "a"}',
        b'{"name":"a" }',
        b' {"name":"a"}',
        b'{"name":"a"}\r',
        b'{"name":"a"}{"name":"b"}',
        b'{"name":"a",}',
        b'{"name":"a"',
        b'{"name":"a","name":"b"}',
        b'{"name":5}',
        b'{"name":"\\u0041"}',
        b'{"name":"\xc3\xa9"}',
        b'{"name":"\xff"}',
        b'{"name":"a\tb"}',
        b'{"name":{"x":1}}',
        b'{"name":[1]}',
        b'{"name":true}',
        b'{"na\\u006de":"a"}',
        b'{"age":"1"}',
        b'{"age":1.0}',
        b'{"age":1e3}',
        b'{"age":01}',
        b'{"age":-}',
        b'{"age":}',
        b'{"age":nul}',
        b'{"age":NaN}',
        b'{"age":true}',
        b'{"tall":1}',
        b'{"tall":"true"}',
        b'{"tall":tru}',
        b'{"rate":1.}',
        b'{"rate":.5}',
        b'{"rate":1.5.5}',
        b'{"rate":01.5}',
        b'{"rate":1.5e3}',
        b'{"age":1234567890123456789}',
        b"{}",
        b"{",
        b"[1]",
        b"null",
        b'"a"',
    ],
)
def test_everything_else_is_left_to_the_general_reader_and_harms_no_neighbour(text: bytes) -> None:
    good = line(name="n", age=7)
    plain, rows = read(good + b"\n" + text + b"\n" + good + b"\n")
    assert plain == [True, False, True]
    assert rows[0] == rows[2] == {"name": "n", "nick": None, "age": 7, "height": None, "tall": None}
    assert set(rows[1].values()) == {None}


def test_blank_lines_count_for_nothing() -> None:
    plain, rows = read(b"\n  \n" + line(age=1) + b"\n\n\r\n" + line(age=2))
    assert plain == [True, True]
    assert [row["age"] for row in rows] == [1, 2]


values = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(2**70), 2**70),
    st.floats(allow_nan=False, allow_infinity=False),
    st.text(max_size=5),
    st.lists(st.integers(), max_size=2),
)
objects = st.dictionaries(st.sampled_from([*TEXTS, *INTEGERS, *FLAGS, "other", "náme"]), values, max_size=6)
mutations = st.lists(st.tuples(st.integers(0, 200), st.integers(0, 255)), max_size=2)


@given(lines=st.lists(st.tuples(objects, mutations, st.booleans()), min_size=1, max_size=8))
def test_what_is_plain_is_read_as_the_general_reader_reads_it(
    lines: list[tuple[dict[str, object], list[tuple[int, int]], bool]],
) -> None:
    """Over any objects, compact or spaced, whole or with bytes changed."""
    texts = []
    for fields, changes, spaced in lines:
        text = bytearray(json.dumps(fields).encode() if spaced else line(**fields))
        for place, byte in changes:
            text[place % len(text)] = byte if byte != ord("\n") else ord(" ")
        texts.append(bytes(text))
    plain, rows = read(b"\n".join(texts))
    kept = [text for text in texts if text.strip(b" \t\r")]
    assert len(plain) == len(kept)
    for is_plain, row, text in zip(plain, rows, kept, strict=True):
        if is_plain:
            lines = Lines([Record(0, 0, 0, text)])
            found = READER.read(lines.located)
            lines.tell(found.bounds)
            general = read_rows(lines, np.arange(1), SCHEMA)
            assert general.bad == []
            assert general.frame.rows(named=True) == [row]


@given(texts=st.lists(st.text(st.characters(codec="ascii"), max_size=3), min_size=1, max_size=200))
def test_interning_numbers_the_distinct_texts(texts: list[str]) -> None:
    buffer = np.frombuffer("".join(texts).encode() + b" ", np.uint8)
    lengths = np.array([len(text) for text in texts], np.int32)
    starts = np.cumsum(lengths) - lengths + np.int64(address(buffer))
    codes, distinct = interned(starts, lengths)
    assert [distinct[code] for code in codes] == texts
    assert len(distinct) == len(set(texts))
    assert fingerprints(starts, lengths).tolist() == [fingerprint(text) for text in texts]


def test_fingerprints_are_fnv_1a() -> None:
    """Vectors from http://www.isthe.com/chongo/src/fnv/test_fnv.c"""
    assert fingerprint(None) == fingerprint("") == 0x811C9DC5
    assert fingerprint("a") == 0xE40C292C
    assert fingerprint("foobar") == 0xBF9CF968
