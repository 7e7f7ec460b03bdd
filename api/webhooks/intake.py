"""From requests that wait to a topic that is durable: gathered for a moment, written in a thread, told together.

    put ─▶ gathering ─▶ being written ─▶ durable, or not
             bounded      one at a time

While one batch is written the next gathers: under load batches grow by themselves.
"""

import asyncio
import logging
import random
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import TYPE_CHECKING

import msgspec

from flows.topics import Producer, open_producer
from schemas.errors import TidemarkError, TopicError
from schemas.settings import Settings
from schemas.topics import WEBHOOK

if TYPE_CHECKING:
    from api.webhooks.traced import TracedIntake

log = logging.getLogger(__name__)

LINGER_S = 0.004
"""A batch costs two switches of threads, some 0.1 ms: with every request alone they were a third of its time."""
_BATCH_LINES = 64
"""So many wait for no more: all who call may be waiting for their answers already."""
LIMIT_BYTES = 64 << 20
STALLED_AFTER_S = 1.0
_PROBE_EVERY_S = 0.25
_PATIENCE = {"message.timeout.ms": "5000", "socket.connection.setup.timeout.ms": "2000"}
"""Providers wait 5 to 20 seconds for an answer; a broker that moves its leader answers within one."""


class Intake:
    """Lines for the topic, each with someone who waits for it; one event loop, one thread.

    Memory is bounded by `limit_bytes`. A broker that is down, or stalls for a second, is told at once; it is asked for
    until it is back. Raises UsageError for a broker that can't be one; connects to nothing before the first line.
    """

    def __init__(self, settings: Settings, *, linger_s: float = LINGER_S, limit_bytes: int = LIMIT_BYTES) -> None:
        self._settings = msgspec.structs.replace(settings, kafka=_PATIENCE | settings.kafka)
        self._linger_s = linger_s
        self._limit_bytes = limit_bytes
        self._lines: list[bytes] = []
        self._waiters: list[asyncio.Future[bool]] = []
        self._bytes = 0
        self._writing_since_s: float | None = None
        self._is_up = True
        self._producer: Producer | None = open_producer(self._settings)
        self._partition = random.randrange(1 << 16)
        self._begun = asyncio.Event()
        self._full = asyncio.Event()
        self._pump: asyncio.Task[None] | None = None
        self._thread = ThreadPoolExecutor(1, "webhook-intake")
        self._traced = _traced(settings)

    @property
    def takes(self) -> bool:
        """Whether it is worth while to read a body at all."""
        since_s = self._writing_since_s
        return self._is_up and (since_s is None or time.monotonic() - since_s < STALLED_AFTER_S)

    def put(self, line: bytes) -> asyncio.Future[bool] | None:
        """Whether `line` is durable, when that is known; None where it can't be taken."""
        if not self.takes or self._bytes + len(line) > self._limit_bytes:
            return None
        loop = asyncio.get_running_loop()
        if self._pump is None:
            self._pump = loop.create_task(self._run(loop), name="webhook-intake")
        waiter = loop.create_future()
        self._lines.append(line)
        self._waiters.append(waiter)
        self._bytes += len(line)
        self._begun.set()
        if len(self._lines) == _BATCH_LINES:
            self._full.set()
        return waiter

    async def stop(self) -> None:
        """Write what is there, and let go of the topic."""
        if self._pump:
            while self._waiters or self._writing_since_s is not None:
                await asyncio.sleep(self._linger_s)
            self._pump.cancel()
            with suppress(asyncio.CancelledError):
                await self._pump
            self._pump = None
        self._thread.submit(self._close)
        # A broker that is down may have it ask for some seconds more.
        self._thread.shutdown(wait=self._is_up)
        if self._traced:
            self._traced.close()

    async def _run(self, loop: asyncio.AbstractEventLoop) -> None:
        while True:
            await self._begun.wait()
            with suppress(TimeoutError):
                async with asyncio.timeout(self._linger_s):
                    await self._full.wait()
            lines, waiters = self._gather_anew()
            self._writing_since_s = time.monotonic()
            self._is_up = await loop.run_in_executor(self._thread, self._write, lines)
            self._tell(lines, waiters, durable=self._is_up)
            self._writing_since_s = None
            if self._traced and self._is_up:
                self._traced.durable(lines)
            while not self._is_up:
                self._refuse_all()
                await asyncio.sleep(_PROBE_EVERY_S)
                self._is_up = await loop.run_in_executor(self._thread, self._probe)

    def _gather_anew(self) -> tuple[list[bytes], list[asyncio.Future[bool]]]:
        """What has gathered."""
        gathered = self._lines, self._waiters
        self._lines, self._waiters = [], []
        self._begun.clear()
        self._full.clear()
        return gathered

    def _refuse_all(self) -> None:
        """What gathered while the broker went down."""
        self._tell(*self._gather_anew(), durable=False)

    def _tell(self, lines: list[bytes], waiters: list[asyncio.Future[bool]], *, durable: bool) -> None:
        self._bytes -= sum(map(len, lines))
        for waiter in waiters:
            if not waiter.done():
                waiter.set_result(durable)

    def _write(self, lines: list[bytes]) -> bool:
        try:
            producer = self._opened()
            self._partition = (self._partition + 1) % producer.partitions(WEBHOOK)
            producer.append(WEBHOOK, self._partition, b"".join(lines))
            producer.flush()
        except TidemarkError as error:
            log.warning("webhooks are answered 503: %s", error)
        except Exception:
            log.exception("webhooks are answered 503")
        else:
            return True
        self._close()
        return False

    def _opened(self) -> Producer:
        self._producer = self._producer or open_producer(self._settings)
        return self._producer

    def _probe(self) -> bool:
        """A new client each time: an old one knows the partitions without asking."""
        try:
            self._opened().partitions(WEBHOOK)
        except TopicError:
            self._close()
            return False
        log.warning("webhooks are taken again")
        return True

    def _close(self) -> None:
        if self._producer:
            self._producer.close()
            self._producer = None


def _traced(settings: Settings) -> "TracedIntake | None":
    """None where traces are off: the flows' readers, which they need, are then not loaded. Raises UsageError."""
    if not settings.traces:
        return None
    from api.webhooks.traced import traced_intake

    return traced_intake(settings)
