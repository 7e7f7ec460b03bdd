"""Where an engine's tables stand on the disk."""

import shutil
import subprocess
from pathlib import Path

import pytest

from sql.spreading import Tables, spread
from sql.warehouse import Warehouse


def flags(folder: Path) -> str:
    """As lsattr prints them, empty where there is no lsattr, or the file system has no flags."""
    if not shutil.which("lsattr"):
        return ""
    told = subprocess.run(["lsattr", "-d", folder], capture_output=True, text=True, check=False)
    return told.stdout.partition(" ")[0] if told.returncode == 0 else ""


def test_only_the_flag_for_the_top_of_a_hierarchy_is_added_and_doing_it_again_changes_nothing(tmp_path: Path) -> None:
    before = flags(tmp_path)
    spread(tmp_path)
    after = flags(tmp_path)
    assert after.replace("T", "-") == before
    spread(tmp_path)
    assert flags(tmp_path) == after


def test_a_file_system_that_knows_no_such_flag_is_left_alone(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def refuse(*_: object) -> None:
        raise OSError(25, "Inappropriate ioctl for device")

    monkeypatch.setattr("sql.spreading.fcntl.ioctl", refuse)
    spread(tmp_path)


def test_an_engine_spreads_its_tables_and_their_parts_from_the_first_on(tmp_path: Path) -> None:
    """The same flags as a folder that was asked for by itself, also of a table made since; rows are
    there when it is opened again."""
    alone = tmp_path / "alone"
    alone.mkdir()
    spread(alone)
    store, dsn = tmp_path / "engine" / "store", f"chdb://{tmp_path / 'engine'}"
    with Warehouse(dsn, create=True) as warehouse:
        warehouse.command("CREATE TABLE t (a UInt8) ENGINE = MergeTree ORDER BY a AS SELECT 7 AS a")
        warehouse.query("SELECT 1")
        (made,) = store.glob("*/*/all_1_1_0")
        assert flags(store) == flags(made.parent) == flags(alone)
    with Warehouse(dsn) as warehouse:
        assert warehouse.query("SELECT a FROM t")["a"].to_list() == [7]


def test_a_table_that_is_dropped_meanwhile_is_no_error(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    store = tmp_path / "store"
    (store / "abc" / "abc1").mkdir(parents=True)

    def gone(_: Path) -> None:
        raise FileNotFoundError

    monkeypatch.setattr("sql.spreading.spread", gone)
    Tables(store)
