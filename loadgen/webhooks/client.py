"""An HTTP/1.1 client that does nothing but post requests made before, so that it never is what is measured.

A request costs it some 20 µs: a third of what the fastest Python server takes.
"""

import asyncio
import time
from collections import Counter, deque
from collections.abc import Callable, Sequence
from typing import cast

import httptools
from msgspec import Struct

_NO_ANSWER = 0
"""The status of a request whose connection broke, or whose answer did not come in time."""


class Load(Struct):
    """What was sent and heard: answers by status; milliseconds from when each was due to its answer, or until nobody
    waited for it any longer. A request whose connection broke has no such time, and is an error.

    `seconds`: from the first request to the last answer that was waited for.
    """

    statuses: Counter[int]
    latencies_ms: list[float]
    seconds: float

    @property
    def requests(self) -> int:
        return sum(self.statuses.values())

    @property
    def errors(self) -> int:
        """Whatever was not answered 2xx."""
        return sum(count for status, count in self.statuses.items() if not 200 <= status < 300)

    def quantile_ms(self, share: float) -> float:
        ranked = sorted(self.latencies_ms)
        return ranked[min(len(ranked) - 1, int(share * len(ranked)))] if ranked else 0.0


class Connection(asyncio.Protocol):
    """One request at a time; `heard` is called with this connection and each answer's status."""

    def __init__(self, heard: Callable[["Connection", int], None]) -> None:
        self._heard = heard
        self._transport: asyncio.Transport | None = None
        self._parser = httptools.HttpResponseParser(self)
        self.is_waiting = False
        self.due_s = 0.0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # uvloop's transports have another base.
        self._transport = cast(asyncio.Transport, transport)

    def send(self, request: bytes, due_s: float) -> None:
        self.is_waiting, self.due_s = True, due_s
        if self._transport is None or self._transport.is_closing():
            self._tell(_NO_ANSWER)
        else:
            self._transport.write(request)

    def data_received(self, data: bytes) -> None:
        self._parser.feed_data(data)

    def on_message_complete(self) -> None:
        status = self._parser.get_status_code()
        # Made anew, a parser costs less than being asked what the connection may do next.
        self._parser = httptools.HttpResponseParser(self)
        self._tell(status)

    def connection_lost(self, _error: Exception | None) -> None:
        self._transport = None
        self._tell(_NO_ANSWER)

    def _tell(self, status: int) -> None:
        if self.is_waiting:
            self.is_waiting = False
            self._heard(self, status)

    def close(self) -> None:
        self.is_waiting = False
        if self._transport:
            self._transport.close()


async def connect(host: str, port: int, count: int, heard: Callable[[Connection, int], None]) -> list[Connection]:
    loop = asyncio.get_running_loop()
    made = [await loop.create_connection(lambda: Connection(heard), host, port) for _ in range(count)]
    return [connection for _, connection in made]


async def saturate(host: str, port: int, requests: Sequence[bytes], connections: int, seconds: float) -> Load:
    """As many as the server takes: each connection sends its next request upon the answer to its last."""
    load = Load(Counter(), [], seconds)
    turn = _turns(requests)
    ends_s = time.perf_counter() + seconds

    def heard(connection: Connection, status: int) -> None:
        now_s = time.perf_counter()
        if now_s < ends_s:
            load.statuses[status] += 1
            if status != _NO_ANSWER:
                connection.send(turn(), now_s)

    open_connections = await connect(host, port, connections, heard)
    for connection in open_connections:
        connection.send(turn(), time.perf_counter())
    await asyncio.sleep(max(ends_s - time.perf_counter(), 0))
    for connection in open_connections:
        connection.close()
    return load


async def pace(
    host: str,
    port: int,
    requests: Sequence[bytes],
    connections: int,
    rate: float,
    seconds: float,
    patience_s: float = 5.0,
) -> Load:
    """`rate` requests a second whatever the server does: one that finds no connection free waits, and that counts.

    Answers are waited for until `patience_s` after the last request was due.
    """
    load = Load(Counter(), [], seconds)
    turn = _turns(requests)
    waiting: deque[float] = deque()
    free: list[Connection] = []

    def heard(connection: Connection, status: int) -> None:
        load.statuses[status] += 1
        if status == _NO_ANSWER:
            return
        load.latencies_ms.append((time.perf_counter() - connection.due_s) * 1000)
        if waiting:
            connection.send(turn(), waiting.popleft())
        else:
            free.append(connection)

    open_connections = await connect(host, port, connections, heard)
    free.extend(open_connections)
    began_s = time.perf_counter()
    due, total = 0, int(rate * seconds)
    while due < total:
        now = min(int((time.perf_counter() - began_s) * rate) + 1, total)
        for number in range(due, now):
            at_s = began_s + number / rate
            if free:
                free.pop().send(turn(), at_s)
            else:
                waiting.append(at_s)
        due = now
        await asyncio.sleep(0.001)
    ends_s = await _drained(lambda: load.requests >= total, patience_s)
    unanswered = [*waiting, *(connection.due_s for connection in open_connections if connection.is_waiting)]
    load.statuses[_NO_ANSWER] += len(unanswered)
    load.latencies_ms += [(ends_s - due_s) * 1000 for due_s in unanswered]
    load.seconds = max(seconds, ends_s - began_s)
    for connection in open_connections:
        connection.close()
    return load


async def _drained(done: Callable[[], bool], patience_s: float) -> float:
    """When waiting ended."""
    until_s = time.perf_counter() + patience_s
    while not done() and time.perf_counter() < until_s:
        await asyncio.sleep(0.005)
    return time.perf_counter()


def _turns(requests: Sequence[bytes]) -> Callable[[], bytes]:
    """One after another, over and over."""
    state = -1

    def turn() -> bytes:
        nonlocal state
        state = (state + 1) % len(requests)
        return requests[state]

    return turn
