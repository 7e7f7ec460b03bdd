"""One HTTP exchange as blocking calls: the engine blocks, so a thread answers, and the event loop carries bytes."""

import asyncio
import concurrent.futures
import io
from collections.abc import Awaitable, Callable, Coroutine, Iterable
from typing import Any, TypeVar

Message = dict[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Header = tuple[str, str]
Result = TypeVar("Result")

CHUNK_BYTES = 1 << 20
"""What crosses between loop and thread at once: a hop costs some 0.1 ms, and uvicorn's own pieces are 64 KB."""

SILENCE_LIMIT_S = 300


class Disconnected(Exception):
    """The client went away, or said nothing for `SILENCE_LIMIT_S`."""


class Exchange:
    """Reads the request's body and writes the response; holds at most two chunks of the body.

    To be made on the event loop and used in one thread. Every method may raise Disconnected.
    """

    def __init__(self, receive: Receive, send: Send) -> None:
        self._loop = asyncio.get_running_loop()
        self._receive = receive
        self._send = send
        self._more = True
        self._ahead: concurrent.futures.Future[bytes] | None = None
        self._gone: concurrent.futures.Future[None] | None = None
        self._unsent: Message | None = None
        self.started = False

    def read_chunk(self) -> bytes:
        """The next part of the body, empty at its end. Meanwhile the one behind it is on its way."""
        if not self._ahead and not self._more:
            return b""
        chunk = self._result(self._ahead or self._call(self._collect()))
        self._ahead = self._call(self._collect()) if self._more else None
        return chunk

    def start(self, status: int, headers: Iterable[Header]) -> None:
        """Goes out with what is written next."""
        self.started = True
        encoded = [(name.lower().encode(), value.encode("latin-1", "replace")) for name, value in headers]
        self._unsent = {"type": "http.response.start", "status": status, "headers": encoded}

    def write(self, body: bytes) -> None:
        """Raises Disconnected if nobody reads any more: a long result is then given up."""
        if self._gone is None and not self._more:
            self._gone = self._call(self._await_disconnect())
        if self._gone and self._gone.done():
            raise Disconnected
        self._push({"type": "http.response.body", "body": body, "more_body": True})

    def finish(self, body: bytes = b"") -> None:
        self._push({"type": "http.response.body", "body": body, "more_body": False})

    def close(self) -> None:
        """Forget what is still being read; never raises."""
        for future in (self._ahead, self._gone):
            if future:
                future.cancel()

    async def _collect(self) -> bytes:
        parts, size = [], 0
        while self._more and size < CHUNK_BYTES:
            message = await self._receive()
            if message["type"] == "http.disconnect":
                raise Disconnected
            self._more = message.get("more_body", False)
            parts.append(message.get("body", b""))
            size += len(parts[-1])
        return b"".join(parts)

    async def _await_disconnect(self) -> None:
        while (await self._receive())["type"] != "http.disconnect":
            pass

    async def _deliver(self, *messages: Message) -> None:
        for message in messages:
            await self._send(message)

    def _push(self, message: Message) -> None:
        head, self._unsent = self._unsent, None
        self._result(self._call(self._deliver(*([head] if head else []), message)))

    def _call(self, work: Coroutine[Any, Any, Result]) -> concurrent.futures.Future[Result]:
        return asyncio.run_coroutine_threadsafe(work, self._loop)

    @staticmethod
    def _result(future: concurrent.futures.Future[Result]) -> Result:
        try:
            return future.result(SILENCE_LIMIT_S)
        except (TimeoutError, concurrent.futures.CancelledError, OSError):
            future.cancel()
            raise Disconnected from None


class Body(io.RawIOBase):
    """The request's body as a file."""

    def __init__(self, exchange: Exchange) -> None:
        self._exchange = exchange
        self._rest = memoryview(b"")

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        if not self._rest:
            self._rest = memoryview(self._exchange.read_chunk())
        size = min(len(buffer), len(self._rest))
        buffer[:size] = self._rest[:size]
        self._rest = self._rest[size:]
        return size
