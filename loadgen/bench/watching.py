"""Many viewers of one campaign at once: how far apart they see a snapshot, and how many were computed for them.

They are a process of their own, `python -m loadgen.bench.watching HOST:PORT PATH VIEWERS`, and do next to nothing with
what they get: a client library for each would measure itself.
"""

import asyncio
import subprocess
import sys
import time
from collections import defaultdict
from typing import cast
from urllib.parse import urlsplit

import httpx
import msgspec
import uvloop
from msgspec import Struct

from loadgen.proc import cpu_s, rss_mb
from loadgen.processes import environment
from schemas.errors import TidemarkError

_WATCHED_S = 12.0
_CONNECTING_AT_ONCE = 100
_CONNECTED_WITHIN_S = 60.0
_ID = b"\nid: "
_FIRST = b"event: snapshot"
_READY = b"watching"


class Watched(Struct):
    """`slowest_ms`: from the first viewer's receipt of a snapshot to the last's, the worst of all snapshots;
    `median_ms` that of a usual one. `cpu_share` and `rss_mb` are the API's, `viewers_cpu_share` that of who watches."""

    viewers: int
    snapshots_per_tick: float
    slowest_ms: float
    median_ms: float
    cpu_share: float
    rss_mb: float
    viewers_cpu_share: float


class Seen(Struct):
    """By snapshot that all saw: from the first viewer's receipt to the last's. `ids`: of all that any saw."""

    spans_ms: list[float]
    ids: int
    cpu_share: float


def watch(url: str, campaign_id: str, viewers: int, process_id: int) -> Watched:
    parts, path = urlsplit(url), f"/api/campaigns/{campaign_id}/live"
    told = [sys.executable, "-m", "loadgen.bench.watching", parts.netloc, path, str(viewers)]
    with subprocess.Popen(told, env=environment({}), stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        if process.stdout.readline().strip() != _READY:
            raise TidemarkError(f"{viewers} viewers did not connect within {_CONNECTED_WITHIN_S:.0f} s")
        before, cpu_before, started = _built(url, campaign_id), cpu_s(process_id), time.monotonic()
        answer = process.stdout.readline()
        built, used_s = _built(url, campaign_id) - before, cpu_s(process_id) - cpu_before
        seconds = time.monotonic() - started
    seen = msgspec.json.decode(answer, type=Seen)
    spans_ms = sorted(seen.spans_ms) or [-1.0]
    return Watched(
        viewers=viewers,
        snapshots_per_tick=round(built / max(1, seen.ids), 2),
        slowest_ms=round(spans_ms[-1], 1),
        median_ms=round(spans_ms[len(spans_ms) // 2], 1),
        cpu_share=round(used_s / seconds, 3),
        rss_mb=round(rss_mb(process_id), 1),
        viewers_cpu_share=seen.cpu_share,
    )


class Viewer(asyncio.Protocol):
    """Notes when the head of each snapshot came; `ready` is set by the first."""

    def __init__(self, request: bytes, seen: dict[bytes, list[float]]) -> None:
        self.ready: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._request = request
        self._seen = seen
        self._rest = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        cast(asyncio.WriteTransport, transport).write(self._request)  # uvloop's is none by name

    def data_received(self, data: bytes) -> None:
        """A chunk of some kilobytes, in which at most an id stands, or half of one at its end."""
        at, text = time.monotonic(), self._rest + data
        if not self.ready.done():
            self._begin(text)
            return
        place = text.find(_ID)
        end = text.find(b"\n", place + len(_ID)) if place >= 0 else -1
        if end >= 0:
            self._seen[text[place:end]].append(at)
        self._rest = text[end + 1 :][-40:] if end >= 0 else text[-40:]

    def _begin(self, text: bytes) -> None:
        if _FIRST in text:
            self.ready.set_result(None)
        self._rest = text[-40:]

    def connection_lost(self, exc: Exception | None) -> None:
        if not self.ready.done():
            self.ready.set_exception(exc or ConnectionError("closed"))


async def view(netloc: str, path: str, viewers: int) -> Seen:
    """Says so, in a line, once all are connected."""
    request = f"GET {path} HTTP/1.1\r\nHost: {netloc}\r\n\r\n".encode()
    seen: dict[bytes, list[float]] = defaultdict(list)
    gate = asyncio.Semaphore(_CONNECTING_AT_ONCE)
    host, _, port = netloc.rpartition(":")

    async def connect() -> None:
        async with gate:
            _, viewer = await asyncio.get_running_loop().create_connection(
                lambda: Viewer(request, seen), host, int(port)
            )
            await viewer.ready

    async with asyncio.timeout(_CONNECTED_WITHIN_S):
        await asyncio.gather(*(connect() for _ in range(viewers)))
    seen.clear()
    print(_READY.decode(), flush=True)
    cpu_before = time.process_time()
    await asyncio.sleep(_WATCHED_S)
    whole = [times for times in seen.values() if len(times) == viewers]
    spans_ms = [round((max(times) - min(times)) * 1000, 1) for times in whole]
    return Seen(spans_ms, len(seen), round((time.process_time() - cpu_before) / _WATCHED_S, 3))


def _built(url: str, campaign_id: str) -> int:
    topics = httpx.get(f"{url}/api/ops", timeout=60).json()["live"]
    return int(next(topic["built"] for topic in topics if topic["topic"] == f"campaign {campaign_id}"))


if __name__ == "__main__":
    where, what, many = sys.argv[1:]
    print(msgspec.json.encode(uvloop.run(view(where, what, int(many)))).decode())
