"""ClickHouse's HTTP interface over the chDB engine of this process, on loopback only.

Whoever may use it can do on this machine what this process can (ClickHouse reads files and opens URLs): so it wants
a password, and refuses what a web page could send through a browser (a foreign Host or Origin).
"""

import asyncio
import hmac
import logging
import socket
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import uvicorn
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from schemas.errors import UsageError
from sql.http_answer import Answering
from sql.http_exchange import Exchange, Header, Message, Receive, Send
from sql.http_refusal import AUTHENTICATION_FAILED, Refusal, status_of
from sql.http_request import Request
from sql.spooled_insert import OpenHandle

LOOPBACK = ("127.0.0.1", "localhost", "::1")
WORKERS = 8
"""Requests on the engine at once; as many again wait for a handle."""
MOST_CONNECTIONS = 64
STOP_WITHIN_S = 2
_START_WITHIN_S = 10


class HttpFront:
    """The ASGI application. `passwords`: any of them opens; an empty one lets everybody on this machine in."""

    def __init__(self, folder: Path, handle: OpenHandle, timezone: str, passwords: tuple[str, ...]) -> None:
        self._folder = folder
        self._handle = handle
        self._timezone = timezone
        self._passwords = tuple(password.encode() for password in passwords)
        self._workers = ThreadPoolExecutor(WORKERS, thread_name_prefix="clickhouse-http")

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        try:
            request = Request.from_scope(scope)
            if refusal := _foreign(request.headers):
                await _reply(send, 403, f"{refusal}\n")
            elif request.path in ("/ping", "/replicas_status") or _is_greeting(request):
                await _reply(send, 200, "Ok.\n")
            elif request.path != "/":
                await _reply(send, 404, f"There is no handle {request.path}\n")
            else:
                self._authenticate(request)
                answering = Answering(self._folder, self._handle, self._timezone, request, Exchange(receive, send))
                await asyncio.get_running_loop().run_in_executor(self._workers, answering.run)
        except Refusal as error:
            code = ("X-ClickHouse-Exception-Code", str(error.code))
            await _reply(send, status_of(error.code), f"{error}\n", code)

    def _authenticate(self, request: Request) -> None:
        given = request.password.encode()
        if not any(hmac.compare_digest(given, password) for password in self._passwords):
            raise Refusal(AUTHENTICATION_FAILED, "Authentication failed: password is incorrect")

    def close(self) -> None:
        self._workers.shutdown(wait=True, cancel_futures=True)


def _foreign(headers: dict[str, str]) -> str | None:
    """A browser can be made to send requests here, but not to lie about where they come from and go to."""
    host = headers.get("host", "")
    if _hostname(f"//{host}") not in LOOPBACK:
        return f"Host {host!r} is not this machine's loopback"
    origin = headers.get("origin")
    if origin is not None and origin != f"http://{host}":
        return f"Origin {origin!r} is foreign"
    return None


def _hostname(url: str) -> str | None:
    try:
        return urlsplit(url).hostname
    except ValueError:
        return None


def _is_greeting(request: Request) -> bool:
    return request.method in ("GET", "HEAD") and request.path == "/" and not request.query


async def _reply(send: Send, status: int, text: str, *headers: Header) -> None:
    body = text.encode()
    all_headers = [("Content-Type", "text/plain; charset=UTF-8"), ("Content-Length", str(len(body))), *headers]
    encoded = [(name.lower().encode(), value.encode()) for name, value in all_headers]
    await send({"type": "http.response.start", "status": status, "headers": encoded})
    await send({"type": "http.response.body", "body": body})


class _QuietProtocol(HttpToolsProtocol):
    """A response broken off on purpose is no error of ours to log."""

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self.logger = logging.getLogger(f"{__name__}.protocol")
        self.logger.setLevel(logging.CRITICAL)


class FrontServer:
    """`front` on 127.0.0.1, in a thread of its own."""

    def __init__(self, port: int) -> None:
        """Binds, port 0 to any free one; raises UsageError if it is taken."""
        self._socket = socket.socket()
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            self._socket.bind(("127.0.0.1", port))
        except OSError as error:
            self._socket.close()
            raise UsageError(f"port {port} on 127.0.0.1: {error.strerror}") from None
        self.port: int = self._socket.getsockname()[1]

    def start(self, front: HttpFront) -> None:
        """Returns when it answers."""
        self._front = front
        config = uvicorn.Config(
            front,
            http=_QuietProtocol,
            loop="uvloop",
            ws="none",
            lifespan="off",
            log_config=None,
            access_log=False,
            limit_concurrency=MOST_CONNECTIONS,
            timeout_keep_alive=60,
            timeout_graceful_shutdown=STOP_WITHIN_S,
        )
        self._server = uvicorn.Server(config)
        self._thread = threading.Thread(
            target=self._server.run, kwargs={"sockets": [self._socket]}, name="clickhouse-http", daemon=True
        )
        self._thread.start()
        _wait_until(lambda: self._server.started)

    def stop_accepting(self) -> None:
        """Let answers under way end, for up to `STOP_WITHIN_S`."""
        self._server.should_exit = True
        self._thread.join(2 * STOP_WITHIN_S)

    def stop(self) -> None:
        """Never raises."""
        self._front.close()
        self._socket.close()


def _wait_until(condition: Callable[[], bool]) -> None:
    pause = threading.Event()
    for _ in range(_START_WITHIN_S * 1000):
        if condition():
            return
        pause.wait(0.001)
    raise RuntimeError("the HTTP front did not start")
