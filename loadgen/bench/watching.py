"""Many viewers of one campaign at once: how far apart they see a snapshot, and how many were computed for them."""

import asyncio
import os
import time
from collections import defaultdict
from pathlib import Path
from urllib.parse import urlsplit

import httpx
from msgspec import Struct

_WATCHED_S = 12.0
_CONNECTING_AT_ONCE = 100


class Watched(Struct):
    """`slowest_ms`: from the first viewer's receipt of a snapshot to the last's, the worst of all snapshots."""

    viewers: int
    snapshots_per_tick: float
    slowest_ms: float
    cpu_share: float
    rss_mb: float


def watch(url: str, campaign_id: str, viewers: int, process_id: int) -> Watched:
    return asyncio.run(_watch(url, campaign_id, viewers, process_id))


async def _watch(url: str, campaign_id: str, viewers: int, process_id: int) -> Watched:
    seen: dict[bytes, list[float]] = defaultdict(list)
    gate = asyncio.Semaphore(_CONNECTING_AT_ONCE)
    ready: list[int] = []
    tasks = [asyncio.create_task(_view(url, campaign_id, seen, gate, ready)) for _ in range(viewers)]
    while len(ready) < viewers:
        await asyncio.sleep(0.1)
    seen.clear()
    before, cpu_before, started = await _built(url, campaign_id), _cpu_s(process_id), time.monotonic()
    await asyncio.sleep(_WATCHED_S)
    after, cpu_s, seconds = await _built(url, campaign_id), _cpu_s(process_id) - cpu_before, time.monotonic() - started
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    whole = [times for times in seen.values() if len(times) == viewers]
    return Watched(
        viewers=viewers,
        snapshots_per_tick=round((after - before) / max(1, len(seen)), 2),
        slowest_ms=round(max((max(times) - min(times) for times in whole), default=-1.0) * 1000, 1),
        cpu_share=round(cpu_s / seconds, 3),
        rss_mb=_rss_mb(process_id),
    )


async def _view(
    url: str, campaign_id: str, seen: dict[bytes, list[float]], gate: asyncio.Semaphore, ready: list[int]
) -> None:
    """Reads the stream as it is: a client library for each would measure itself."""
    parts = urlsplit(url)
    async with gate:
        reader, writer = await asyncio.open_connection(parts.hostname, parts.port, limit=1 << 20)
        request = f"GET /api/campaigns/{campaign_id}/live HTTP/1.1\r\nHost: {parts.netloc}\r\n\r\n"
        writer.write(request.encode())
        await reader.readuntil(b"event: snapshot")
        ready.append(1)
    try:
        while line := await reader.readline():
            if line.startswith(b"id: "):
                seen[line].append(time.monotonic())
    finally:
        writer.close()


async def _built(url: str, campaign_id: str) -> int:
    async with httpx.AsyncClient(timeout=60) as client:
        topics = (await client.get(f"{url}/api/ops")).json()["live"]
    return int(next(topic["built"] for topic in topics if topic["topic"] == f"campaign {campaign_id}"))


def _cpu_s(process_id: int) -> float:
    fields = Path(f"/proc/{process_id}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _rss_mb(process_id: int) -> float:
    status = Path(f"/proc/{process_id}/status").read_text()
    return round(int(status.partition("VmRSS:")[2].split()[0]) / 1024, 1)
