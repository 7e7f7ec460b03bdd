"""HTTP/1.1 (RFC 9112) in the event loop's own thread: a connection a request, kept alive, parsed by httptools.

pyreqwest, which carries HTTP/2 (`flows.connectors.http2`), works in a thread that takes the interpreter's lock several
times a request. At 4,000/s its thread and ours waited for each other: some 100 ms had 250 % of their share, others 0.
"""

import asyncio
import base64
import re
import ssl
import time
from collections import deque
from functools import lru_cache
from typing import NamedTuple, Protocol, cast
from urllib.parse import unquote, urlsplit

import httptools

from flows.connectors.calls import Answer, Call, NoAnswerError, NotSentError

_LARGEST_ANSWER_BYTES = 1 << 20
_MOST_HEADERS = 200
_IDLE_S = 30.0
"""A connection that was idle for longer is not trusted: what stands between may have forgotten it."""
_LOOKS_EVERY_S = 0.2
_URL = re.compile(r"[!-~]+")
_FIELD = re.compile(r"[ -~]*")


class _Place(NamedTuple):
    """Whom to connect to."""

    host: str
    port: int
    secure: bool


class _Target(NamedTuple):
    """Where a URL leads; `fields` are the header fields that follow from it."""

    place: _Place
    path: bytes
    fields: bytes


class Http1Client:
    """As `flows.connectors.calls.Client`."""

    def __init__(self, timeout_s: float, connects_within_s: float) -> None:
        self._timeout_s = timeout_s
        self._connects_within_s = min(timeout_s, connects_within_s)
        self._idle: dict[_Place, deque[_Connection]] = {}
        self._busy: set[_Connection] = set()
        self._context: ssl.SSLContext | None = None
        self._watch: asyncio.TimerHandle | None = None

    async def exchange(self, call: Call) -> Answer:
        target = _target(call.url)
        request = _request(call, target)
        connection = self._kept(target.place) or await self._connected(target.place)
        self._busy.add(connection)
        self._look()
        return await connection.ask(request, time.monotonic() + self._timeout_s)

    def _kept(self, place: _Place) -> "_Connection | None":
        """The one used last; where that has been idle for too long, all have."""
        idle = self._idle.get(place)
        while idle:
            connection = idle.pop()
            if time.monotonic() - connection.since > _IDLE_S:
                connection.abort()
            elif connection.alive():
                return connection
        return None

    async def _connected(self, place: _Place) -> "_Connection":
        loop, secure = asyncio.get_running_loop(), self._tls() if place.secure else None
        try:
            async with asyncio.timeout(self._connects_within_s):
                _, made = await loop.create_connection(
                    lambda: _Connection(self._free, place), place.host, place.port, ssl=secure
                )
        except TimeoutError:
            raise NotSentError(f"no connection within {self._connects_within_s:g} s") from None
        except (OSError, UnicodeError) as error:
            raise NotSentError(str(error)) from None
        return made

    def _tls(self) -> ssl.SSLContext:
        if self._context is None:
            self._context = ssl.create_default_context()
        return self._context

    def _free(self, connection: "_Connection", *, kept: bool) -> None:
        self._busy.discard(connection)
        if kept:
            self._idle.setdefault(connection.place, deque()).append(connection)

    def _look(self) -> None:
        """For answers that are overdue: a timer for each request cost more than this."""
        if self._watch is None:
            self._watch = asyncio.get_running_loop().call_later(_LOOKS_EVERY_S, self._looked)

    def _looked(self) -> None:
        self._watch, now = None, time.monotonic()
        for connection in [one for one in self._busy if one.until <= now]:
            connection.fail(f"no answer within {self._timeout_s:g} s")
        if self._busy:
            self._look()

    async def close(self) -> None:
        """What is on its way gets no answer."""
        if self._watch:
            self._watch.cancel()
        for connection in [*self._busy, *(one for idle in self._idle.values() for one in idle)]:
            connection.fail("closed")
        await asyncio.sleep(0)


class _Freed(Protocol):
    """Told when a connection may be used again, or is gone."""

    def __call__(self, connection: "_Connection", *, kept: bool) -> None: ...


class _Connection(asyncio.Protocol):
    """One request at a time."""

    def __init__(self, free: _Freed, place: _Place) -> None:
        self.place = place
        self.since = 0.0
        """When it was last of use; `until`: when the answer is overdue. Monotonic seconds."""
        self.until = 0.0
        self._free = free
        self._transport: asyncio.Transport | None = None
        self._answer: asyncio.Future[Answer] | None = None
        self._parser = httptools.HttpResponseParser(self)
        self._begin()

    def _begin(self) -> None:
        self._headers: dict[str, str] = {}
        self._body: list[bytes] = []
        self._bytes = 0
        self._complete = False

    def alive(self) -> bool:
        return self._transport is not None and not self._transport.is_closing()

    def ask(self, request: bytes, until: float) -> "asyncio.Future[Answer]":
        assert self._transport is not None
        self._answer, self.until = asyncio.get_running_loop().create_future(), until
        self._transport.write(request)
        return self._answer

    # --- asyncio.Protocol ------------------------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)  # uvloop's is none of asyncio's classes

    def data_received(self, data: bytes) -> None:
        self._bytes += len(data)
        if self._answer is None or self._bytes > _LARGEST_ANSWER_BYTES:
            self.fail("the answer is too long")
            return
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserError as error:
            self.fail(f"no HTTP: {error}")

    def connection_lost(self, error: Exception | None) -> None:
        self._transport = None
        if self._ends_with_connection():
            self._finish(kept=False)
        else:
            self.fail(f"the connection was lost{f': {error}' if error else ''}")

    # --- httptools -------------------------------------------------------------------------------------------------

    def on_message_begin(self) -> None:
        if self._answer is None:  # nobody asked: who asks next would take it for theirs
            self.abort()

    def on_header(self, name: bytes, value: bytes) -> None:
        if len(self._headers) < _MOST_HEADERS:
            self._headers[name.decode("latin-1").lower()] = value.decode("latin-1")

    def on_headers_complete(self) -> None:
        self._complete = self._parser.get_status_code() >= 200

    def on_body(self, body: bytes) -> None:
        self._body.append(body)

    def on_message_complete(self) -> None:
        if self._parser.get_status_code() < 200:  # RFC 9110, 15.2: the answer is still to come
            self._headers = {}
        else:
            self._finish(kept=self._parser.should_keep_alive() and self.alive())

    # ---------------------------------------------------------------------------------------------------------------

    def _ends_with_connection(self) -> bool:
        """A body of unknown length (RFC 9112, 6.3, last case)."""
        lengthless = not self._headers.keys() & {"content-length", "transfer-encoding"}
        return self._answer is not None and self._complete and lengthless

    def _finish(self, *, kept: bool) -> None:
        waiting, self._answer = self._answer, None
        answer = Answer(self._parser.get_status_code(), self._headers, b"".join(self._body))
        self.since = time.monotonic()
        self._begin()
        self._free(self, kept=kept)
        if not kept:
            self.abort()
        if waiting is not None and not waiting.done():
            waiting.set_result(answer)

    def fail(self, why: str) -> None:
        """No more of this connection; a request that waits gets no answer."""
        waiting, self._answer = self._answer, None
        self._free(self, kept=False)
        self.abort()
        if waiting is not None and not waiting.done():
            waiting.set_exception(NoAnswerError(why))

    def abort(self) -> None:
        if self._transport:
            self._transport.abort()


@lru_cache(maxsize=1000)
def _target(url: str) -> _Target:
    """Raises ValueError."""
    if not _URL.fullmatch(url):
        raise ValueError(f"{url!r} is no address")
    parts = urlsplit(url)
    secure, host = parts.scheme == "https", parts.hostname
    if not host or parts.scheme not in ("http", "https"):
        raise ValueError(f"{url!r} is no http(s) address")
    path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    fields = f"host: {parts.netloc.rpartition('@')[2]}\r\nuser-agent: tidemark/0.1\r\naccept: */*\r\n"
    if parts.username is not None:
        known = f"{unquote(parts.username)}:{unquote(parts.password or '')}"
        fields += f"authorization: Basic {base64.b64encode(known.encode()).decode()}\r\n"
    port = parts.port or (443 if secure else 80)
    return _Target(_Place(host, port, secure), path.encode(), fields.encode())


def _request(call: Call, target: _Target) -> bytes:
    """Raises ValueError for a header that would end early."""
    fields = "".join([f"{name}: {value}\r\n" for name, value in call.headers])
    if not all(_FIELD.fullmatch(value) for _, value in call.headers):
        raise ValueError("a header field holds what is no printable ASCII")
    length = b"content-length: %d\r\n" % len(call.body) if call.body or call.method != "GET" else b""
    head = b"%b %b HTTP/1.1\r\n%b%b%b\r\n" % (call.method.encode(), target.path, target.fields, fields.encode(), length)
    return head + call.body
