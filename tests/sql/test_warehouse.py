"""A Warehouse behaves the same on chDB in this process and on a server over HTTP."""

import threading
from datetime import UTC, datetime
from pathlib import Path

import polars as pl
import pytest

import sql.warehouse
from schemas.errors import WarehouseDown, WarehouseError
from sql.warehouse import Warehouse

NOON = datetime(2026, 11, 21, 12, 0, 0, 5000, tzinfo=UTC)


def test_rows_come_back_as_they_went_in(warehouse: Warehouse) -> None:
    """Times to the millisecond, nulls, enums, unsigned and large numbers, any text."""
    warehouse.command("""
        CREATE TABLE t (n Int64, u UInt8, s String, e LowCardinality(String), d DateTime64(3, 'UTC'),
                        m Nullable(DateTime64(3, 'UTC')), f Nullable(Float64)) ENGINE = MergeTree ORDER BY n
    """)
    frame = pl.DataFrame(
        {
            "n": [-1, 2**62],
            "u": [0, 255],
            "s": ["", "it's \\ \n\t 'é' \N{SNOWMAN}"],
            "e": pl.Series(["delivered", "read"], dtype=pl.Enum(["delivered", "read"])),
            "d": pl.Series([NOON, NOON]).dt.cast_time_unit("ms"),
            "m": pl.Series([None, NOON]).dt.cast_time_unit("ms"),
            "f": [None, 0.5],
        }
    )
    warehouse.insert("t", frame)
    rows = warehouse.query("SELECT * FROM t ORDER BY n;")
    assert rows.with_columns(pl.col("u").cast(pl.Int64)).equals(frame.cast({"e": pl.String}))


def test_a_null_and_a_missing_column_become_the_default(warehouse: Warehouse) -> None:
    warehouse.command("CREATE TABLE t (n Int64, a String DEFAULT 'none', b UInt8 DEFAULT 7) ENGINE = Memory")
    warehouse.insert("t", pl.DataFrame({"n": [1, 2], "a": [None, "x"]}))
    assert warehouse.query("SELECT a, b FROM t ORDER BY n").rows() == [("none", 7), ("x", 7)]


def test_what_is_asked_aside_has_settings_of_its_own(warehouse: Warehouse) -> None:
    question = "SELECT toString(getSetting('max_threads')) AS threads"
    usual = warehouse.query(question).item()
    with warehouse.aside({"max_threads": 3}) as aside:
        assert aside.query(question).item() == "3"
        assert warehouse.query(question).item() == usual


def test_a_large_frame_is_one_part(warehouse: Warehouse) -> None:
    """Sent in several pieces, it still becomes one block: small parts would have to be merged."""
    warehouse.command("CREATE TABLE t (n Int64, s String) ENGINE = MergeTree ORDER BY n")
    frame = pl.DataFrame({"n": range(150_000)}).with_columns(s=pl.format("message-{}-{}", "n", pl.lit("x" * 50)))
    warehouse.insert("t", frame)
    found = warehouse.query("SELECT count() AS rows, sum(n) AS total, uniqExact(_part) AS parts FROM t")
    assert found.row(0) == (150_000, 150_000 * 149_999 // 2, 1)


def test_an_insert_is_visible_at_once_and_keeps_repeats(warehouse: Warehouse) -> None:
    """async_insert=0 and optimize_on_insert=0 are stated on each insert, whatever the engine's defaults."""
    warehouse.command("CREATE TABLE t (n Int64) ENGINE = ReplacingMergeTree ORDER BY n")
    warehouse.command("SYSTEM STOP MERGES t")
    warehouse.insert("t", pl.DataFrame({"n": [1, 1, 1]}))
    assert warehouse.query("SELECT count() AS n FROM t").item() == 3
    assert warehouse.query("SELECT count() AS n FROM t FINAL").item() == 1


def test_a_row_that_a_view_refuses_fails_the_insert(warehouse: Warehouse) -> None:
    warehouse.command("CREATE TABLE t (n Int64) ENGINE = MergeTree ORDER BY n")
    warehouse.command("CREATE TABLE target (n Int64) ENGINE = MergeTree ORDER BY n")
    warehouse.command("CREATE MATERIALIZED VIEW v TO target AS SELECT n + throwIf(n = 13) AS n FROM t")
    with pytest.raises(WarehouseError, match="FUNCTION_THROW_IF_VALUE_IS_NON_ZERO"):
        warehouse.insert("t", pl.DataFrame({"n": [13]}))
    warehouse.insert("t", pl.DataFrame({"n": [14]}))
    assert warehouse.query("SELECT n FROM target")["n"].to_list() == [14]


def test_an_empty_frame_is_no_insert(warehouse: Warehouse) -> None:
    warehouse.insert("no_such_table", pl.DataFrame({"n": []}))


def test_an_empty_answer_has_its_columns(warehouse: Warehouse) -> None:
    assert warehouse.query("SELECT 1 AS a, 'x' AS b WHERE 0").columns == ["a", "b"]


@pytest.mark.parametrize("text", ["'; DROP TABLE t; --", "a\\'b", "tab\tnewline\n", "{x:String}", "%(x)s", ""])
def test_parameters_are_never_read_as_sql(warehouse: Warehouse, text: str) -> None:
    asked = "SELECT {text:String} AS text, {number:UInt64} AS number, {names:Array(String)} AS names"
    row = warehouse.query(asked, {"text": text, "number": 2**63, "names": [text, "b"]}).row(0)
    assert row == (text, 2**63, [text, "b"])


def test_ask_runs_the_query_of_that_name(warehouse: Warehouse, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "double.sql").write_text("-- Twice a number.\nSELECT {number:Int64} * 2 AS twice; -- done\n")
    monkeypatch.setattr(sql.warehouse, "QUERIES", tmp_path)
    assert warehouse.ask("double", number=21).item() == 42


@pytest.mark.parametrize(
    ("statement", "says"),
    [
        ("SELEC 1", "Syntax error"),
        ("SELECT * FROM no_such_table", "python -m sql.migrate"),
        ("SELECT no_such_function()", "UNKNOWN_FUNCTION"),
        ("SELECT throwIf(number = 3, 'line one\nline two') FROM numbers(9)", "line one line two"),
    ],
)
def test_a_wrong_query_is_one_line_that_says_so(warehouse: Warehouse, statement: str, says: str) -> None:
    with pytest.raises(WarehouseError, match=says) as caught:
        warehouse.query(statement)
    assert not isinstance(caught.value, WarehouseDown)
    assert "\n" not in str(caught.value)


def test_what_may_pass_is_told_apart(warehouse: Warehouse) -> None:
    """A memory limit is WarehouseDown: the same insert may succeed in a moment."""
    with pytest.raises(WarehouseDown, match="MEMORY_LIMIT_EXCEEDED"):
        warehouse.query("SELECT groupArray(number) AS n FROM numbers(9000000) SETTINGS max_memory_usage = 1000000")
    assert warehouse.query("SELECT 1 AS n").item() == 1


def test_a_missing_database_names_the_command_that_makes_it(clickhouse: str) -> None:
    with Warehouse(clickhouse) as warehouse, pytest.raises(WarehouseError, match=r"python -m sql\.migrate"):
        warehouse.query("SELECT 1")


def test_threads_may_share_a_warehouse(warehouse: Warehouse) -> None:
    """Inserts and queries at once, none mistaken for another's."""
    warehouse.command("CREATE TABLE t (n Int64) ENGINE = MergeTree ORDER BY n")
    failures: list[BaseException] = []

    def work(number: int) -> None:
        try:
            for _ in range(10):
                warehouse.insert("t", pl.DataFrame({"n": [number] * 100}))
                assert warehouse.query("SELECT {n:Int64} AS n", {"n": number}).item() == number
        except BaseException as error:  # noqa: BLE001 - shown by the assertion below
            failures.append(error)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures
    assert warehouse.query("SELECT n, count() AS rows FROM t GROUP BY n ORDER BY n").rows() == [
        (number, 1000) for number in range(4)
    ]
