"""A TCP proxy before ClickHouse that breaks inserts when it is told to."""

import socket
import threading
import time
from contextlib import suppress

_CHUNK = 1 << 16
_INSERT = (b"INSERT+INTO", b"INSERT%20INTO", b"INSERT INTO")


class Proxy:
    """Passes bytes on between its own port and `upstream` on loopback, whoever serves there."""

    def __init__(self, upstream: int) -> None:
        self._upstream = upstream
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=64)
        self.port: int = self._listener.getsockname()[1]
        self._lock = threading.Lock()
        self._to_cut = 0
        self._to_delay = 0
        self._delay_s = 0.0
        self.cut = 0
        self.delayed = 0
        threading.Thread(target=self._accept, name="proxy", daemon=True).start()

    def cut_inserts(self, count: int) -> None:
        """The next so many inserts lose their connection in the middle of their body."""
        with self._lock:
            self._to_cut += count

    def delay_answers(self, count: int, seconds: float) -> None:
        """The next so many inserts are passed on whole, and answered this much later."""
        with self._lock:
            self._to_delay, self._delay_s = self._to_delay + count, seconds

    def close(self) -> None:
        self._listener.close()

    def _accept(self) -> None:
        with suppress(OSError):  # closed
            while True:
                client, _ = self._listener.accept()
                threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def _serve(self, client: socket.socket) -> None:
        try:
            server = socket.create_connection(("127.0.0.1", self._upstream), timeout=5)
        except OSError:
            client.close()
            return
        server.settimeout(None)
        exchange = _Exchange(self, client, server)
        threading.Thread(target=exchange.answers, daemon=True).start()
        exchange.requests()

    def takes_cut(self) -> bool:
        with self._lock:
            taken = self._to_cut > 0
            self._to_cut -= taken
            self.cut += taken
            return taken

    def takes_delay(self) -> float:
        with self._lock:
            taken = self._to_delay > 0
            self._to_delay -= taken
            self.delayed += taken
            return self._delay_s if taken else 0.0


class _Exchange:
    """One connection."""

    def __init__(self, proxy: Proxy, client: socket.socket, server: socket.socket) -> None:
        self._proxy = proxy
        self._client = client
        self._server = server
        self._delay_s = 0.0

    def requests(self) -> None:
        with suppress(OSError):
            while chunk := self._client.recv(_CHUNK):
                if chunk.startswith(b"POST") and any(word in chunk[:4096] for word in _INSERT):
                    if self._proxy.takes_cut():
                        self._server.sendall(chunk[: len(chunk) // 2])
                        break
                    self._delay_s = self._proxy.takes_delay()
                self._server.sendall(chunk)
        self._end()

    def answers(self) -> None:
        with suppress(OSError):
            while chunk := self._server.recv(_CHUNK):
                if self._delay_s:
                    time.sleep(self._delay_s)
                    self._delay_s = 0.0
                self._client.sendall(chunk)
        self._end()

    def _end(self) -> None:
        for end in (self._client, self._server):
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
            end.close()
