"""`python -m sql.serve` starts with one line, and ends cleanly; what it can't do, it says in one line."""

import signal
import socket
from pathlib import Path

import httpx
import pytest

from sql.cli import run
from sql.serve import main
from tests.parts.clickhouse import END_WITHIN_S, run_python, serving


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_it_with_exit_code_0_and_keeps_the_data(tmp_path: Path, number: signal.Signals) -> None:
    folder = tmp_path / "clickhouse"
    with serving(folder) as (ready, process):
        auth = ("default", ready.password)
        created = httpx.post(
            ready.url, auth=auth, content="CREATE TABLE t ENGINE = MergeTree ORDER BY n AS SELECT 7 AS n"
        )
        assert created.status_code == 200
        process.send_signal(number)
        assert process.wait(END_WITHIN_S) == 0
        assert process.stderr is not None
        assert process.stderr.read() == ""
    assert not folder.with_name("clickhouse.address").exists()
    with serving(folder) as (ready, _):
        assert httpx.post(ready.url, auth=("default", ready.password), content="SELECT n FROM t").text == "7\n"


def test_a_query_under_way_does_not_hold_up_the_end(tmp_path: Path) -> None:
    with serving(tmp_path / "clickhouse") as (ready, process):
        slow = "SELECT count() FROM numbers(1000000000000) WHERE sipHash64(number) = 1 SETTINGS max_threads = 1"
        with socket.create_connection(("127.0.0.1", int(ready.url.rpartition(":")[2]))) as raw:
            head = f"POST / HTTP/1.1\r\nHost: localhost\r\nX-ClickHouse-Key: {ready.password}\r\n"
            raw.sendall(f"{head}Content-Length: {len(slow)}\r\n\r\n{slow}".encode())
            while (
                httpx.post(
                    ready.url,
                    auth=("", ready.password),
                    content="SELECT count() FROM system.processes WHERE query LIKE '%sipHash%'",
                ).text
                != "2\n"
            ):
                pass
            process.send_signal(signal.SIGTERM)
            assert process.wait(END_WITHIN_S) == 0


def test_its_password_may_be_given_or_left_out(tmp_path: Path) -> None:
    (tmp_path / "password").write_text("it's secret\n")
    with serving(tmp_path / "a", "--password-file", str(tmp_path / "password")) as (ready, _):
        assert httpx.post(ready.url, auth=("default", "it's secret"), content="SELECT 1").text == "1\n"
        assert httpx.post(ready.url, content="SELECT 1").status_code == 403
    with serving(tmp_path / "b", "--open") as (ready, _):
        assert httpx.post(ready.url, content="SELECT 1").text == "1\n"


@pytest.mark.parametrize(
    ("dsn", "arguments", "says"),
    [
        ("chdb://{folder}", ["--host", "0.0.0.0"], "--host 0.0.0.0"),
        ("chdb://{folder}", ["--port", "70000"], "--port 70000"),
        ("chdb://{folder}", ["--port", "x"], "--port"),
        ("chdb://{folder}", ["--nonsense"], "--nonsense"),
        ("chdb://{folder}", ["--password-file", "/no/such/file"], "/no/such/file"),
        ("http://localhost:8123/tidemark", [], "a server already"),
        ("nonsense", [], "TIDEMARK_CLICKHOUSE"),
    ],
)
def test_wrong_input_is_one_line_and_exit_code_2(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    dsn: str,
    arguments: list[str],
    says: str,
) -> None:
    monkeypatch.setenv("TIDEMARK_CLICKHOUSE", dsn.format(folder=tmp_path / "ch"))
    assert run("sql.serve", lambda: main(arguments)) == 2
    error = capsys.readouterr().err
    assert says in error
    assert error.count("\n") == 1


def test_a_taken_port_and_a_folder_served_already_are_one_line(tmp_path: Path) -> None:
    with serving(tmp_path / "a") as (ready, _):
        port = ready.url.rpartition(":")[2]
        taken = run_python("-m", "sql.serve", "--port", port, dsn=f"chdb://{tmp_path / 'b'}")
        assert (taken.returncode, taken.stderr.count("\n")) == (2, 1)
        assert port in taken.stderr
        again = run_python("-m", "sql.serve", "--port", "0", dsn=f"chdb://{tmp_path / 'a'}")
        assert (again.returncode, again.stderr.count("\n")) == (1, 1)
        assert ready.url in again.stderr
