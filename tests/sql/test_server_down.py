"""A server that is down is waited for, and what was to be written arrives when it is up."""

import socket
import threading
from pathlib import Path

import polars as pl
import pytest

from schemas.errors import WarehouseDown
from sql.retry import retrying
from sql.warehouse import Warehouse
from tests.parts.clickhouse import serving


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def test_down_is_one_line_that_says_where_and_why() -> None:
    port = free_port()
    with Warehouse(f"http://user:secret@127.0.0.1:{port}/tidemark") as warehouse:
        with pytest.raises(WarehouseDown) as caught:
            warehouse.query("SELECT 1")
        assert str(caught.value) == f"http://127.0.0.1:{port}/tidemark: connection refused"


def test_a_silent_server_times_out_as_down() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        dsn = f"http://127.0.0.1:{silent.getsockname()[1]}/tidemark?send_receive_timeout=1"
        with Warehouse(dsn) as warehouse, pytest.raises(WarehouseDown):
            warehouse.query("SELECT 1")


def test_an_answer_that_breaks_off_is_down_in_plain_words() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        url = f"http://127.0.0.1:{server.getsockname()[1]}/tidemark"

        def answer() -> None:
            while True:
                try:
                    connection, _ = server.accept()
                except OSError:
                    return
                with connection:
                    connection.recv(65536)
                    connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\nhalf")

        answering = threading.Thread(target=answer)
        answering.start()
        with Warehouse(url) as warehouse, pytest.raises(WarehouseDown) as caught:
            warehouse.query("SELECT 1")
        assert str(caught.value) == f"{url}: connection lost in the middle of an answer"
        server.shutdown(socket.SHUT_RDWR)
        answering.join()


def test_an_insert_waits_for_the_server_and_survives_its_restart(tmp_path: Path) -> None:
    """Down, up, killed, up again: each insert is tried until it is answered, and its rows are there."""
    port, folder, said = free_port(), tmp_path / "clickhouse", list[str]()
    warehouse = Warehouse(f"http://127.0.0.1:{port}/tidemark", create=True)

    def insert(number: int) -> None:
        statement = "CREATE TABLE IF NOT EXISTS t (n Int64) ENGINE = ReplacingMergeTree ORDER BY n"
        retrying(lambda: warehouse.command(statement), lambda: False, said.append)
        retrying(lambda: warehouse.insert("t", pl.DataFrame({"n": [number]})), lambda: False, said.append)

    for number in (1, 2):
        writer = threading.Thread(target=insert, args=(number,))
        writer.start()
        while len([line for line in said if "waiting" in line]) < number:
            writer.join(0.01)
        with serving(folder, "--open", port=port) as (_, process):
            writer.join()
            process.kill()
            process.wait()
    with serving(folder, "--open", port=port):
        assert warehouse.query("SELECT n FROM t FINAL ORDER BY n")["n"].to_list() == [1, 2]
    warehouse.close()
