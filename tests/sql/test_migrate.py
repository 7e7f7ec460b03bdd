"""Migrations are applied once, in order, on chDB and on a server, and never change behind the database's back."""

import json
from pathlib import Path

import pytest

from schemas.errors import UsageError, WarehouseError
from sql.cli import run
from sql.migrate import MIGRATIONS, main, migrate, read_migrations
from sql.warehouse import Warehouse
from tests.parts.clickhouse import run_python, start_python

FIRST = """-- A table; with a comment that has a semicolon.
CREATE TABLE IF NOT EXISTS t (n Int64 DEFAULT 0 COMMENT 'it''s; fine') ENGINE = MergeTree ORDER BY n;
CREATE VIEW IF NOT EXISTS v AS SELECT n, ';' AS s FROM t;
"""
SECOND = "ALTER TABLE t ADD COLUMN IF NOT EXISTS m Int64;"
SCHEMA = """
SELECT name, create_table_query FROM system.tables
WHERE database = currentDatabase() AND name NOT LIKE '.%' ORDER BY name
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "migrations"
    folder.mkdir()
    (folder / "001_first.sql").write_text(FIRST)
    return folder


def test_what_is_new_is_applied_once_and_in_order(warehouse: Warehouse, folder: Path) -> None:
    assert migrate(warehouse, folder).applied == ["001_first.sql"]
    (folder / "010_last.sql").write_text("INSERT INTO t (n, m) VALUES (1, 2)")
    (folder / "002_second.sql").write_text(SECOND)
    second = migrate(warehouse, folder)
    assert (second.applied, second.unchanged) == (["002_second.sql", "010_last.sql"], ["001_first.sql"])
    assert migrate(warehouse, folder).applied == []
    assert warehouse.query("SELECT n, m FROM t").rows() == [(1, 2)]
    assert warehouse.query("SELECT s FROM v").rows() == [(";",)]


def test_a_changed_file_is_refused_before_anything_is_done(warehouse: Warehouse, folder: Path) -> None:
    migrate(warehouse, folder)
    (folder / "001_first.sql").write_text(f"{FIRST}-- changed")
    (folder / "002_second.sql").write_text(SECOND)
    with pytest.raises(UsageError, match=r"001_first\.sql") as caught:
        migrate(warehouse, folder)
    assert "\n" not in str(caught.value)
    assert warehouse.query("SELECT * FROM t").columns == ["n"]


def test_a_renamed_file_is_refused(warehouse: Warehouse, folder: Path) -> None:
    migrate(warehouse, folder)
    (folder / "001_first.sql").rename(folder / "001_other.sql")
    with pytest.raises(UsageError, match=r"001_other\.sql"):
        migrate(warehouse, folder)


def test_a_file_that_failed_halfway_is_done_again(warehouse: Warehouse, folder: Path) -> None:
    (folder / "002_second.sql").write_text(f"{SECOND} SELECT no_such_function();")
    with pytest.raises(WarehouseError, match=r"002_second\.sql, statement 2: .*no_such_function"):
        migrate(warehouse, folder)
    (folder / "002_second.sql").write_text(f"{SECOND} INSERT INTO t (n, m) VALUES (3, 4);")
    assert migrate(warehouse, folder).applied == ["002_second.sql"]
    assert warehouse.query("SELECT n, m FROM t").rows() == [(3, 4)]


@pytest.mark.parametrize("name", ["1_short.sql", "first.sql", "002-dash.sql", "002_Upper.sql", "001_again.sql"])
def test_a_bad_file_name_is_refused(folder: Path, name: str) -> None:
    (folder / name).write_text(SECOND)
    with pytest.raises(UsageError, match=name):
        read_migrations(folder)


def test_two_runs_at_once_both_succeed(clickhouse: str) -> None:
    """Every statement bears repetition, so no lock is needed."""
    runs = [start_python("-m", "sql.migrate", "--json", dsn=clickhouse) for _ in range(3)]
    ended = [(run.communicate(timeout=60), run.returncode) for run in runs]
    assert [code for _, code in ended] == [0, 0, 0], ended
    with Warehouse(clickhouse) as warehouse:
        recorded = warehouse.query("SELECT name FROM schema_migrations FINAL ORDER BY version")["name"].to_list()
    assert recorded == [migration.name for migration in read_migrations(MIGRATIONS)]


def test_the_schema_itself_may_be_applied_twice(warehouse: Warehouse) -> None:
    """Each statement of each migration bears repetition: forgetting what was applied changes nothing."""
    first = migrate(warehouse)
    schema = warehouse.query(SCHEMA)
    assert migrate(warehouse).applied == []
    warehouse.command("TRUNCATE TABLE schema_migrations")
    assert migrate(warehouse).applied == first.applied
    assert warehouse.query(SCHEMA).equals(schema)


def test_the_command_prints_one_object_and_is_quiet_in_a_pipe(clickhouse: str) -> None:
    first = run_python("-m", "sql.migrate", dsn=clickhouse)
    assert (first.returncode, first.stdout, first.stderr) == (0, "", "")
    second = run_python("-m", "sql.migrate", "--json", dsn=clickhouse)
    assert (second.returncode, second.stderr) == (0, "")
    assert json.loads(second.stdout)["applied"] == []


@pytest.mark.parametrize(
    ("dsn", "code", "says"),
    [
        ("http://127.0.0.1:1/tidemark", 1, "connection refused"),
        ("chdb://", 2, "TIDEMARK_CLICKHOUSE"),
        ("postgres://x", 2, "TIDEMARK_CLICKHOUSE"),
        ("http://user:secret@host/b-a-d", 2, "b-a-d"),
    ],
)
def test_what_is_wrong_is_one_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], dsn: str, code: int, says: str
) -> None:
    monkeypatch.setenv("TIDEMARK_CLICKHOUSE", dsn)
    assert run("sql.migrate", lambda: main([])) == code
    error = capsys.readouterr().err
    assert says in error
    assert error.count("\n") == 1
    assert "secret" not in error
