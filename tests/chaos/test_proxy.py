"""The proxy breaks what it is told to, and nothing else."""

import socket
import threading
from collections.abc import Iterator
from contextlib import suppress

import pytest

from loadgen.chaos.proxy import Proxy

INSERT = b"POST /?query=INSERT+INTO+t HTTP/1.1\r\n\r\n" + b"x" * 10_000
SELECT = b"POST /?query=SELECT+1 HTTP/1.1\r\n\r\n" + b"x" * 10_000


class Upstream:
    """Answers each connection with "done" once it has read `length` bytes; keeps what came."""

    def __init__(self, length: int) -> None:
        self._length = length
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        self.received: list[int] = []
        self._ended = threading.Semaphore(0)
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        with suppress(OSError):
            while True:
                connection, _ = self._listener.accept()
                with connection:
                    self.received.append(self._read(connection))
                    with suppress(OSError):
                        connection.sendall(b"done")
                self._ended.release()

    def _read(self, connection: socket.socket) -> int:
        length = 0
        while length < self._length and (chunk := connection.recv(65536)):
            length += len(chunk)
        return length

    def wait(self) -> None:
        assert self._ended.acquire(timeout=10)

    def close(self) -> None:
        self._listener.close()


@pytest.fixture
def upstream() -> Iterator[Upstream]:
    upstream = Upstream(len(INSERT))
    yield upstream
    upstream.close()


@pytest.fixture
def proxy(upstream: Upstream) -> Iterator[Proxy]:
    proxy = Proxy(upstream.port)
    yield proxy
    proxy.close()


def ask(proxy: Proxy, request: bytes, timeout_s: float = 10) -> bytes:
    with socket.create_connection(("127.0.0.1", proxy.port), timeout=timeout_s) as client:
        client.sendall(request)
        with suppress(ConnectionResetError):
            return client.recv(100)
        return b""


def test_bytes_pass_both_ways(proxy: Proxy, upstream: Upstream) -> None:
    assert ask(proxy, INSERT) == b"done"
    assert upstream.received == [len(INSERT)]


def test_a_cut_insert_reaches_the_server_in_part_and_has_no_answer(proxy: Proxy, upstream: Upstream) -> None:
    proxy.cut_inserts(1)
    assert ask(proxy, INSERT) == b""
    upstream.wait()
    assert 0 < upstream.received[0] < len(INSERT)
    assert ask(proxy, INSERT) == b"done"
    assert proxy.cut == 1


def test_what_is_no_insert_is_never_cut(proxy: Proxy) -> None:
    proxy.cut_inserts(1)
    assert ask(proxy, SELECT + b"x" * (len(INSERT) - len(SELECT))) == b"done"
    assert proxy.cut == 0


def test_a_late_answer_follows_an_insert_that_arrived_whole(proxy: Proxy, upstream: Upstream) -> None:
    proxy.delay_answers(1, 1.0)
    with pytest.raises(TimeoutError):
        ask(proxy, INSERT, timeout_s=0.3)
    upstream.wait()
    assert upstream.received == [len(INSERT)]
    assert proxy.delayed == 1


def test_without_a_server_a_connection_ends_at_once() -> None:
    with socket.create_server(("127.0.0.1", 0)) as nobody:
        port = nobody.getsockname()[1]
    proxy = Proxy(port)
    assert ask(proxy, SELECT) == b""
    proxy.close()
