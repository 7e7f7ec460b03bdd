"""Statements end where ClickHouse would end them, and data begins where it would begin it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sql.tokens import Insert, Scan, first_word, output_format, scan_insert, split_statements


@pytest.mark.parametrize(
    ("script", "statements"),
    [
        ("", []),
        ("-- only; a comment\n/* and; another */", []),
        ("SELECT 1", ["SELECT 1"]),
        ("SELECT 1;;SELECT 2;", ["SELECT 1", "SELECT 2"]),
        ("SELECT ';', \"a;b\", `c;d`; SELECT 2", ["SELECT ';', \"a;b\", `c;d`", "SELECT 2"]),
        ("SELECT 'it''s; \\'; fine';SELECT 2", ["SELECT 'it''s; \\'; fine'", "SELECT 2"]),
        ("SELECT 1 -- one; comment\n;SELECT /* ; */ 2", ["SELECT 1 -- one; comment", "SELECT /* ; */ 2"]),
        ("SELECT $tag$ ; ' $tag$; SELECT 2", ["SELECT $tag$ ; ' $tag$", "SELECT 2"]),
        ("SELECT 'é;\N{SNOWMAN}'; SELECT 2", ["SELECT 'é;\N{SNOWMAN}'", "SELECT 2"]),
    ],
)
def test_split(script: str, statements: list[str]) -> None:
    assert split_statements(script) == statements


@given(st.lists(st.text(alphabet="ab'\\;\n", max_size=8), min_size=1, max_size=5))
def test_any_texts_in_quotes_are_split_between_and_never_within(texts: list[str]) -> None:
    quoted = ["SELECT '" + text.replace("\\", "\\\\").replace("'", "''") + "'" for text in texts]
    assert split_statements(";\n".join(quoted)) == quoted


@pytest.mark.parametrize(
    ("text", "found"),
    [
        (b"INSERT INTO t FORMAT CSV\n1,2", Insert("INSERT INTO t ", "CSV", 25)),
        (
            b"insert into t (format, values) format Native \r\n\n\0",
            Insert("insert into t (format, values) ", "Native", 47),
        ),
        (b"/* x */ INSERT INTO t VALUES (1)", Insert("/* x */ INSERT INTO t ", "Values", 28)),
        (
            b"INSERT INTO t SETTINGS a = 'FORMAT' FORMAT TSV 1",
            Insert("INSERT INTO t SETTINGS a = 'FORMAT' ", "TSV", 47),
        ),
        (
            b"INSERT INTO FUNCTION file('x', 'CSV') FORMAT CSV\n",
            Insert("INSERT INTO FUNCTION file('x', 'CSV') ", "CSV", 49),
        ),
        (b"INSERT INTO t SELECT 1 FORMAT CSV", Scan.NO_DATA),
        (b"INSERT INTO t FROM INFILE 'x' FORMAT CSV", Scan.NO_DATA),
        (b"SELECT 1 FORMAT CSV", Scan.NO_DATA),
        (b"", Scan.INCOMPLETE),
        (b"INSERT INTO t FORMAT", Scan.INCOMPLETE),
        (b"INSERT INTO t FORMAT CSV", Scan.INCOMPLETE),
        (b"INSERT INTO t (a, b", Scan.INCOMPLETE),
    ],
)
def test_where_the_data_of_an_insert_begins(text: bytes, found: Insert | Scan) -> None:
    assert scan_insert(text) == found


def test_the_format_clause_is_found_and_taken_out() -> None:
    assert output_format("SELECT 'FORMAT x' AS a FORMAT JSON") == ("SELECT 'FORMAT x' AS a", "JSON")
    assert output_format("SELECT (SELECT 1) format") == ("SELECT (SELECT 1) format", None)
    assert first_word(" /* hi */ (select 1)") == "SELECT"
