"""A receiver for the sends' webhooks: whatever is posted becomes an envelope in the topic `webhook`, unverified.

`python -m api` verifies them; here only what the flows make of them counts, in a run that may hold no secrets.
"""

import asyncio
import itertools
import threading
from urllib.parse import urlsplit

import msgspec

from flows.topics import open_producer
from loadgen.provider.server import Asked, Reply, serve
from schemas.events import Envelope
from schemas.settings import Settings
from schemas.times import wall_clock
from schemas.topics import WEBHOOK


class Mailbox:
    """Listens on loopback, in a thread, until closed."""

    def __init__(self, settings: Settings) -> None:
        self._producer = open_producer(settings)
        self._partitions = self._producer.partitions(WEBHOOK)
        self._numbers = itertools.count()
        self._ready = threading.Event()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._ends: asyncio.Event | None = None
        self._thread = threading.Thread(target=lambda: asyncio.run(self._work()), name="mailbox", daemon=True)
        self.url = ""
        self._thread.start()
        self._ready.wait(10)

    async def _work(self) -> None:
        self._loop, self._ends = asyncio.get_running_loop(), asyncio.Event()
        server = await serve(self._take, "127.0.0.1", 0)
        self.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/webhooks"
        self._ready.set()
        await self._ends.wait()
        server.close()

    def _take(self, asked: Asked) -> Reply:
        parts, number = urlsplit(asked.path), next(self._numbers)
        envelope = Envelope(
            receipt_id=f"mailbox-{number}",
            provider=parts.path.rpartition("/")[2],
            received_at=wall_clock(),
            url=f"https://mailbox{asked.path}",
            content_type=asked.headers.get("content-type", ""),
            body=asked.body.decode(),
        )
        self._producer.append(WEBHOOK, number % self._partitions, msgspec.json.encode(envelope) + b"\n")
        self._producer.flush()
        return Reply(200)

    def close(self) -> None:
        if self._loop and self._ends:
            self._loop.call_soon_threadsafe(self._ends.set)
        self._thread.join(5)
        self._producer.close()
