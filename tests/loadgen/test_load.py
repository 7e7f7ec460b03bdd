"""What a load says of a server that can't bear it: as fast as it answered, as slow as it kept others waiting."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from loadgen.sends import kills
from loadgen.webhooks.__main__ import step_of
from loadgen.webhooks.client import Load, pace
from schemas.settings import Settings

REQUEST = b"POST / HTTP/1.1\r\nContent-Length: 0\r\n\r\n"
ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"
Serve = Callable[[asyncio.StreamWriter], Awaitable[None]]


def loaded(serve: Serve, *, connections: int, rate: float, patience_s: float) -> Load:
    """For a tenth of a second. `serve` is called for each request, one after another on a connection."""

    async def load() -> Load:
        tasks = []

        async def on_connection(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            tasks.append(asyncio.current_task())
            with suppress(ConnectionError):
                while await reader.read(1_000):
                    await serve(writer)
                writer.close()
                await writer.wait_closed()

        server = await asyncio.start_server(on_connection, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        load = await pace("127.0.0.1", port, [REQUEST], connections, rate, 0.1, patience_s)
        server.close()
        await asyncio.gather(*tasks)
        return load

    return asyncio.run(load())


def test_answers_a_second_are_over_the_time_that_they_took() -> None:
    """A hundred, 4 ms each and one at a time: no 1,000 a second, though all are answered."""

    async def slowly(writer: asyncio.StreamWriter) -> None:
        await asyncio.sleep(0.004)
        writer.write(ANSWER)

    load = loaded(slowly, connections=1, rate=1_000, patience_s=30)
    assert load.errors == 0
    assert step_of(1_000, load).requests_per_s <= 250


def test_who_waits_in_vain_counts_as_long_as_it_waited_and_a_broken_connection_is_no_quick_answer() -> None:
    seen = 0

    async def some(writer: asyncio.StreamWriter) -> None:
        nonlocal seen
        seen += 1
        if seen == 10:
            writer.close()
        elif seen < 20:
            writer.write(ANSWER)

    load = loaded(some, connections=2, rate=400, patience_s=0.5)
    assert (load.requests, load.statuses[200]) == (40, 18)
    assert len(load.latencies_ms) == 39
    assert sum(latency >= 500 for latency in load.latencies_ms) == 21
    assert load.quantile_ms(0.99) >= 500


def test_kills_are_those_that_were_done(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The campaign was done before the third."""
    started: list[Any] = []

    class Sending:
        def __init__(self, *_: Any) -> None:
            started.append(self)
            self.place = len(started)

        def running(self) -> bool:
            return self.place <= 2

        def kill(self) -> None: ...

        def wait(self, _: float) -> int:
            return 0

    class Provider:
        def taken(self) -> int:
            return len(started)

    monkeypatch.setattr(kills, "Sending", Sending)
    monkeypatch.setattr(kills.time, "sleep", lambda _: None)
    monkeypatch.setattr(kills, "_STARTS_WITHIN_S", 0)
    plan = kills.Plan(mode="hold", messages=100, kills=10, rate=100, seed=1)
    assert kills._send(Settings(), tmp_path, tmp_path / "campaign.yaml", plan, Provider()) == (2, 0)
