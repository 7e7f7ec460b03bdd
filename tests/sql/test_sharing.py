"""Processes share one `chdb://FOLDER`: one holds the engine, the others reach it through that one, whoever dies."""

import signal
import stat
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import polars as pl
import pytest

import sql.embedded
from schemas.errors import UsageError, WarehouseDown, WarehouseError
from sql.embedded import address_file, read_address
from sql.links import EngineLink, NeighbourLink
from sql.retry import retrying
from sql.warehouse import Warehouse
from tests.parts.clickhouse import END_WITHIN_S, start_python

# Holds the engine and answers each line of its input by the number of rows in t, until the input ends.
HOLDER = """
import sys
from sql.warehouse import Warehouse
with Warehouse(sys.argv[1], create=True, share=sys.argv[2] == "share") as warehouse:
    warehouse.command("CREATE TABLE IF NOT EXISTS t (n Int64) ENGINE = MergeTree ORDER BY n")
    print("ready", flush=True)
    for line in sys.stdin:
        print(warehouse.query("SELECT count() AS n FROM t").item(), flush=True)
"""

# Opens an engine while another thread looks where the process is, as one that opens a relative path would.
WATCHED = """
import os, sys, threading
from sql.warehouse import Warehouse
seen, ended = set(), threading.Event()
def look():
    while not ended.is_set():
        seen.add(os.getcwd())
watch = threading.Thread(target=look)
watch.start()
with Warehouse(sys.argv[1], create=True) as warehouse:
    warehouse.query("SELECT 1")
ended.set()
watch.join()
print(seen == {os.getcwd()})
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "clickhouse"


@contextmanager
def holder(folder: Path, how: str = "share") -> Iterator[subprocess.Popen[str]]:
    process = start_python("-c", HOLDER, f"chdb://{folder}", how, dsn="", stdin=subprocess.PIPE)
    try:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n", process.communicate()[1]
        yield process
    finally:
        process.kill()
        process.wait()
        for stream in (process.stdin, process.stdout, process.stderr):
            assert stream is not None
            stream.close()


def rows_seen_by(process: subprocess.Popen[str]) -> int:
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.write("\n")
    process.stdin.flush()
    return int(process.stdout.readline())


def insert(warehouse: Warehouse, *numbers: int) -> None:
    retrying(lambda: warehouse.insert("t", pl.DataFrame({"n": numbers})), lambda: False, lambda _: None)


def test_relative_paths_of_other_threads_hold_while_an_engine_is_opened(folder: Path) -> None:
    process = start_python("-c", WATCHED, f"chdb://{folder}", dsn="")
    assert process.communicate(timeout=END_WITHIN_S)[0].strip() == "True"
    assert process.returncode == 0


def test_a_second_process_reads_and_writes_through_the_first(folder: Path) -> None:
    with holder(folder) as first, Warehouse(f"chdb://{folder}") as second:
        second.insert("t", pl.DataFrame({"n": [1, 2, 3]}))
        assert isinstance(second._link, NeighbourLink)
        assert second.query("SELECT sum(n) AS n FROM t").item() == 6
        assert rows_seen_by(first) == 3


def test_the_address_is_private_and_goes_with_its_holder(folder: Path) -> None:
    with holder(folder) as first:
        assert stat.S_IMODE(address_file(folder).stat().st_mode) == 0o600
        first.communicate(timeout=END_WITHIN_S)
        assert first.returncode == 0
    assert not address_file(folder).exists()


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_when_the_holder_dies_the_next_takes_over_and_nothing_answered_is_lost(
    folder: Path, number: signal.Signals
) -> None:
    with Warehouse(f"chdb://{folder}", share=True) as heir:
        with holder(folder) as first:
            insert(heir, 1)
            first.send_signal(number)
            first.wait(END_WITHIN_S)
            insert(heir, 2)
        assert isinstance(heir._link, EngineLink)
        with holder(folder) as third:
            assert rows_seen_by(third) == 2
            insert(heir, 3)
            assert rows_seen_by(third) == 3


def test_a_survivor_finds_its_way_to_the_new_holder(folder: Path) -> None:
    with holder(folder) as first, Warehouse(f"chdb://{folder}") as survivor:
        insert(survivor, 1)
        first.kill()
        first.wait(END_WITHIN_S)
        with holder(folder) as second:
            insert(survivor, 2)
            assert isinstance(survivor._link, NeighbourLink)
            assert rows_seen_by(second) == 2


def test_a_stale_address_is_refused_and_no_way_in(folder: Path) -> None:
    """Port and token of a killed holder: its successor may even get the same port, but never the same token."""
    with holder(folder) as first:
        stale = read_address(folder)
        first.kill()
        first.wait(END_WITHIN_S)
    assert stale is not None
    assert read_address(folder) == stale
    with holder(folder):
        fresh = read_address(folder)
        assert fresh is not None
        assert fresh.token != stale.token
        refused = httpx.post(fresh.url, auth=("default", stale.token), content="SELECT 1")
        assert refused.headers["X-ClickHouse-Exception-Code"] == "516"


def test_a_stale_token_means_ask_again(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever read the address just before it changed is told to try again, not that its password is wrong."""
    with holder(folder), Warehouse(f"chdb://{folder}") as late:
        address = read_address(folder)
        assert address is not None
        with monkeypatch.context() as patched:
            patched.setattr(sql.embedded, "read_address", lambda _: sql.embedded.Address(address.port, "stale"))
            with pytest.raises(WarehouseDown):
                late.query("SELECT 1")
        assert late.query("SELECT 1 AS n").item() == 1


def test_a_foreign_host_or_origin_is_refused_there_too(folder: Path) -> None:
    with holder(folder):
        address = read_address(folder)
        assert address is not None
        for headers in ({"Host": "attacker.example"}, {"Origin": "https://attacker.example"}):
            refused = httpx.post(address.url, auth=("", address.token), headers=headers, content="SELECT 1")
            assert refused.status_code == 403


def test_a_short_command_is_waited_for(folder: Path) -> None:
    """It holds the engine without serving it; whoever comes meanwhile gets its turn."""
    with holder(folder, "alone") as short:
        assert read_address(folder) is None
        assert short.stdin is not None
        short.stdin.close()
        with Warehouse(f"chdb://{folder}") as patient:
            assert patient.query("SELECT count() AS n FROM t").item() == 0


def test_a_holder_that_does_not_serve_is_named(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sql.embedded, "PATIENCE_S", 0.1)
    with (
        holder(folder, "alone") as short,
        Warehouse(f"chdb://{folder}") as late,
        pytest.raises(WarehouseDown, match=f"process {short.pid}"),
    ):
        late.query("SELECT 1")


def test_warehouses_of_one_process_share_its_engine(folder: Path) -> None:
    """The engine goes with the last of them; `share` may come later than the first."""
    first, second = Warehouse(f"chdb://{folder}", create=True), Warehouse(f"chdb://{folder}", share=True)
    first.command("CREATE TABLE t (n Int64) ENGINE = MergeTree ORDER BY n")
    assert read_address(folder) is None
    insert(second, 1)
    assert read_address(folder) is not None
    first.close()
    assert second.query("SELECT count() AS n FROM t").item() == 1
    second.close()
    assert read_address(folder) is None


def test_one_engine_a_process_and_another_after_it(tmp_path: Path) -> None:
    with Warehouse(f"chdb://{tmp_path / 'a'}", create=True) as first:
        first.command("CREATE TABLE t (n Int64) ENGINE = MergeTree ORDER BY n")
        with Warehouse(f"chdb://{tmp_path / 'b'}") as second, pytest.raises(WarehouseError, match="only one"):
            second.query("SELECT 1")
    with Warehouse(f"chdb://{tmp_path / 'b'}", create=True, share=True) as second:
        assert second.query("SHOW TABLES").is_empty()


def test_a_folder_that_cannot_be_is_a_usage_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with Warehouse(f"chdb://{tmp_path / 'file' / 'clickhouse'}") as warehouse, pytest.raises(UsageError, match="Not a"):
        warehouse.query("SELECT 1")


def test_signals_reach_python_while_an_engine_is_open(folder: Path) -> None:
    """chDB installs handlers for crashes; SIGTERM and SIGINT stay the program's own."""
    caught: list[int] = []
    before = {number: signal.signal(number, lambda number, _: caught.append(number)) for number in (2, 15)}
    try:
        with Warehouse(f"chdb://{folder}", create=True, share=True) as warehouse:
            warehouse.query("SELECT 1")
            for number in before:
                signal.raise_signal(number)
        assert caught == [2, 15]
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def test_a_process_may_end_without_closing(folder: Path) -> None:
    """An exception at the wrong moment, or sys.exit: exit code and data are as they should be."""
    script = HOLDER.replace("with Warehouse", "warehouse = Warehouse").replace(" as warehouse:", "\nif True:")
    process = start_python("-c", f"{script}\nsys.exit(7)", f"chdb://{folder}", "share", dsn="", stdin=subprocess.PIPE)
    _, errors = process.communicate("\n", timeout=END_WITHIN_S)
    assert (process.returncode, errors) == (7, "")
    with Warehouse(f"chdb://{folder}") as warehouse:
        assert warehouse.query("SELECT count() AS n FROM t").item() == 0
