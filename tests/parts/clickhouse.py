"""A real ClickHouse for tests: chDB in this process, or behind HTTP in a process of its own (`sql.serve`)."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from typing import Any

import msgspec
import pytest

from sql.serve import Ready
from sql.warehouse import Warehouse

END_WITHIN_S = 20
_numbers = count()


def environment(dsn: str) -> dict[str, str]:
    """This process's environment, with `dsn` and no other setting of ours."""
    inherited = {name: text for name, text in os.environ.items() if not name.startswith("TIDEMARK_")}
    return {**inherited, "TIDEMARK_CLICKHOUSE": dsn}


def start_python(*arguments: str, dsn: str, **options: Any) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, *arguments],
        env=environment(dsn),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        **options,
    )


def run_python(*arguments: str, dsn: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, *arguments], env=environment(dsn), capture_output=True, text=True, timeout=60, check=False
    )


@contextmanager
def serving(folder: Path, *arguments: str, port: int = 0) -> Iterator[tuple[Ready, subprocess.Popen[str]]]:
    """`python -m sql.serve` over `folder`; ended by SIGTERM, with exit code 0, unless the test ended it."""
    process = start_python("-m", "sql.serve", "--json", "--port", str(port), *arguments, dsn=f"chdb://{folder}")
    try:
        assert process.stdout is not None
        line = process.stdout.readline()
        assert line, process.communicate()[1]
        yield msgspec.json.decode(line, type=Ready), process
        if process.poll() is None:
            process.send_signal(signal.SIGTERM)
            assert process.wait(END_WITHIN_S) == 0
    finally:
        process.kill()
        process.communicate()


@pytest.fixture(scope="session")
def clickhouse_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ready]:
    """One server for all tests: each takes a database of its own."""
    with serving(tmp_path_factory.mktemp("clickhouse-server") / "clickhouse") as (ready, _):
        yield ready


@pytest.fixture(params=["chdb", "http"])
def clickhouse(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The DSN of an empty ClickHouse, embedded and over HTTP in turn. Its database is still to be made."""
    if request.param == "chdb":
        return f"chdb://{tmp_path / 'clickhouse'}"
    server: Ready = request.getfixturevalue("clickhouse_server")
    return server.dsn.replace("/tidemark", f"/test_{next(_numbers)}")


@pytest.fixture
def warehouse(clickhouse: str) -> Iterator[Warehouse]:
    """A Warehouse on `clickhouse`, with an empty database."""
    with Warehouse(clickhouse, create=True) as warehouse:
        yield warehouse
