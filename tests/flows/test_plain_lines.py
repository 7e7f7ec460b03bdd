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
from flows.plain_lines import PlainReader, fingerprint, interned, locate
from flows.topics import Record
from flows.words import address

RECURRING, HASHED, TEXTS, INTEGERS, FLAGS = (
    ("town", "trade"),
    ("email",),
    ("name", "nick"),
    ("age", "height"),
    ("tall",),
)
FIELDS = (*RECURRING, *HASHED, *TEXTS, *INTEGERS, *FLAGS)
SCHEMA = pl.Schema(
    dict.fromkeys((*RECURRING, *HASHED, *TEXTS), pl.String)
    | dict.fromkeys(INTEGERS, pl.Int64)
    | dict.fromkeys(FLAGS, pl.Boolean)
)
READER = PlainReader(RECURRING, HASHED, TEXTS, INTEGERS, FLAGS)
GOLDEN = [0x3836F068, 0x74449204, 0x233A6D2E, 0x1B284BCA]
NOTHING = dict.fromkeys(FIELDS) | {"email": fingerprint(None)}


def read(text: bytes) -> tuple[list[bool], list[dict[str, Any]]]:
    """Which lines are plain, and each line's fields (none where it isn't), of what is hashed the fingerprint."""
    records = locate([text])
    found = READER.read(records)
    rows = []
    for row in range(len(found.plain)):
        recurring = [column.texts[column.codes[row]] for column in found.recurring]
        texts = [
            None if length < 0 else string_at(int(start), int(length)).decode()
            for start, length in zip(found.starts[:, row], found.lengths[:, row], strict=True)
        ]
        numbers = [
            None if absent else int(n) for n, absent in zip(found.numbers[:, row], found.absent[:, row], strict=True)
        ]
        values = (*recurring, *found.hashes[:, row].tolist(), *texts, *numbers)
        rows.append(dict(zip(FIELDS, values, strict=True)))
    return found.plain.tolist(), rows


def line(**fields: object) -> bytes:
    return json.dumps(fields, separators=(",", ":")).encode()


def test_fields_in_any_order_missing_null_and_unknown() -> None:
    text = b"\n".join(
        [
            line(name="a", nick="b", age=1, height=-2, town="t", email="e"),
            line(height=3, age=0, nick=None, name="é"[:0]),
            line(other="x", name="n", more=None, most=-12, tall=True),
            line(rate=-0.25, done=False, age=4, tall=False, trade="", town="t", email=None),
        ]
    )
    plain, rows = read(text)
    assert plain == [True, True, True, True]
    assert rows == [
        NOTHING | {"name": "a", "nick": "b", "age": 1, "height": -2, "town": "t", "email": fingerprint("e")},
        NOTHING | {"name": "", "age": 0, "height": 3},
        NOTHING | {"name": "n", "tall": True},
        NOTHING | {"age": 4, "tall": False, "trade": "", "town": "t"},
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
        b'{"town":5}',
        b'{"town":"t","town":"t"}',
        b'{"town":"t" }',
        b'{"town":"t',
        b'{"town":"t"',
        b'{"email":true}',
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
    good = line(name="n", age=7, town="t", email="e")
    plain, rows = read(good + b"\n" + text + b"\n" + good + b"\n")
    assert plain == [True, False, True]
    assert rows[0] == rows[2] == NOTHING | {"name": "n", "age": 7, "town": "t", "email": fingerprint("e")}
    assert rows[1] == NOTHING


@pytest.mark.parametrize("torn", [b'{"town":"t', b'{"town":"t"', b'{"town":"', b'{"town":'])
def test_a_record_ends_where_it_ends_whatever_stands_behind_it(torn: bytes) -> None:
    """Small records stand behind one another: what the next begins with does not complete a line."""
    rest = line(town="t").removeprefix(torn)
    found = READER.read(locate([line(town="t") + b"\n" + torn, rest]))
    assert found.plain.tolist() == [True, False, False]


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
objects = st.dictionaries(st.sampled_from([*FIELDS, "other", "náme"]), values, max_size=6)
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
            assert [
                by_name | {"email": fingerprint(by_name["email"])} for by_name in general.frame.rows(named=True)
            ] == [row]


@given(texts=st.lists(st.text(st.characters(codec="ascii"), max_size=3), min_size=1, max_size=200))
def test_interning_numbers_the_distinct_texts(texts: list[str]) -> None:
    buffer = np.frombuffer("".join(texts).encode() + b" ", np.uint8)
    lengths = np.array([len(text) for text in texts], np.int32)
    starts = np.cumsum(lengths) - lengths + np.int64(address(buffer))
    codes, distinct = interned(starts, lengths)
    assert [distinct[code] for code in codes] == texts
    assert len(distinct) == len(set(texts))


def test_each_recurring_text_has_a_code_until_there_are_too_many_and_every_row_its_own_text() -> None:
    """Of one that changes with every line, and of one that comes back; once the table is half full a text is coded
    anew each time."""
    towns = [f"town {number % 1_500}" for number in range(5_000)]
    trades = [f"trade {number % 7 if number % 3 else 0}" for number in range(5_000)]
    lines = [line(town=town, trade=trade) for town, trade in zip(towns, trades, strict=True)]
    found = READER.read(locate([b"\n".join(lines[:2_000]), b"\n".join(lines[2_000:])])).recurring
    told = [[column.texts[code] for code in column.codes] for column in found]
    assert told == [towns, trades]
    assert len(found[1].texts) == 1 + 7
    assert 1 + 1_500 < len(found[0].texts) <= 1 + 5_000
    assert [column.column("x").to_list() for column in found] == [towns, trades]


def test_fingerprints_stay_what_they_are() -> None:
    """Windows keep them over restarts, and processes of two versions compare theirs; 0 would mean `of our own hand`."""
    assert fingerprint(None) == fingerprint("") != 0
    assert [fingerprint(text) for text in ("", "a", "foobar", "wamid.HBgLMTY1MDM4Nzk0MzkVAgARGBI=")] == GOLDEN


@given(st.text(max_size=40), st.text(max_size=40))
def test_different_texts_have_different_fingerprints(one: str, other: str) -> None:
    assert (fingerprint(one) == fingerprint(other)) == (one == other)


@pytest.mark.parametrize("pattern", ["{:08x}-0000-4000-8000-000000000000", "wamid.{:024d}", "{:x}", "{:05d}-receipt"])
def test_fingerprints_of_texts_that_are_nearly_the_same_are_spread(pattern: str) -> None:
    """As chance would have it: of 20,000, one pair in twenty such sets has the same 32 bits; and the lower ten, which
    the window keeps, come equally often (chi-squared of 1,023 degrees, five standard deviations)."""
    found = np.array([fingerprint(pattern.format(number)) for number in range(20_000)])
    assert len(np.unique(found)) >= 19_998
    expected = 20_000 / 1_024
    counts = np.bincount(found & 1_023, minlength=1_024)
    assert ((counts - expected) ** 2 / expected).sum() < 1_023 + 5 * np.sqrt(2 * 1_023)
