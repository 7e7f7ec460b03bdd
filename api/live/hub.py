"""Topics and their viewers: each second one snapshot a topic, sent to all who watch it.

        Watcher ──▶ Topic (one thread call a tick) ──▶ viewer's queue ──▶ text/event-stream
                                                  └──▶ viewer's queue, full: the viewer is dropped

A topic ticks while somebody watches, and a little longer. Its snapshots are whole, so a viewer that comes back with
`Last-Event-ID` gets the latest if that is newer, and misses nothing by the ones between.
"""

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import suppress

from fastapi.sse import format_sse_event
from msgspec import Struct
from pydantic import BaseModel

from api.problems import Refusal
from schemas.errors import TidemarkError

log = logging.getLogger(__name__)

TICK_S = 1.0
MOST_VIEWERS = 5_000
MOST_TOPICS = 200
_WAITING = 3
"""Snapshots that a viewer may be behind before it is dropped."""
_LINGER_TICKS = 10
_RETRY_MS = 2_000


class Built(Struct, frozen=True):
    """A snapshot as it goes over the wire."""

    id: int
    event: bytes
    encoded: bytes


class Identified(BaseModel):
    """What a topic's snapshots have: an id that grows."""

    id: int


Build = Callable[[], BaseModel]


class Viewer:
    """One connection: its queue, and the task that empties it."""

    def __init__(self) -> None:
        self.queue: asyncio.Queue[Built] = asyncio.Queue(_WAITING)
        self.task: asyncio.Task[object] | None = None

    def offer(self, built: Built) -> bool:
        """False: it is too far behind."""
        try:
            self.queue.put_nowait(built)
        except asyncio.QueueFull:
            return False
        return True


class Topic:
    def __init__(self, build: Build, ended: Callable[[], None]) -> None:
        self._build = build
        self._ended = ended
        self.viewers: set[Viewer] = set()
        self.latest: Built | None = None
        self.built = 0
        self.dropped = 0
        self.built_ms = 0.0
        self._refused: Refusal | None = None
        self._first = asyncio.Event()
        self._task = asyncio.create_task(self._run())

    async def first(self) -> Built:
        """The latest snapshot, or the first when it is there. Raises Refusal where there can be none."""
        await self._first.wait()
        if self._refused:
            raise self._refused
        assert self.latest is not None
        return self.latest

    async def _run(self) -> None:
        idle = 0
        due = time.monotonic()
        while idle < _LINGER_TICKS:
            try:
                await self._tick()
            except Refusal as refusal:
                self._refused = refusal
                break
            except TidemarkError as error:
                log.warning("live: %s", error)  # the page sees its data age
            idle = 0 if self.viewers else idle + 1
            due = max(due + TICK_S, time.monotonic())
            await asyncio.sleep(due - time.monotonic())
        self._first.set()
        self._ended()

    async def _tick(self) -> None:
        started = time.perf_counter()
        snapshot = await asyncio.to_thread(self._build)
        assert isinstance(snapshot, BaseModel)
        text = snapshot.model_dump_json()
        number = int(getattr(snapshot, "id", 0))
        self.latest = Built(number, format_sse_event(data_str=text, event="snapshot", id=str(number)), text.encode())
        self.built += 1
        self.built_ms = (time.perf_counter() - started) * 1000
        self._first.set()
        for viewer in [viewer for viewer in self.viewers if not viewer.offer(self.latest)]:
            self._drop(viewer)

    def _drop(self, viewer: Viewer) -> None:
        self.viewers.discard(viewer)
        self.dropped += 1
        if viewer.task:
            viewer.task.cancel()

    async def stop(self) -> None:
        self._task.cancel()
        with suppress(asyncio.CancelledError):
            await self._task
        for viewer in list(self.viewers):
            self._drop(viewer)


class Hub:
    """All topics of a process; lives in its event loop."""

    def __init__(self) -> None:
        self._topics: dict[str, Topic] = {}

    async def join(self, name: str, build: Build) -> Topic:
        """The topic, running, with a snapshot. Raises Refusal: there is none, or too many watch."""
        topic = self._topics.get(name)
        if topic is None:
            if len(self._topics) >= MOST_TOPICS:
                raise Refusal(503, "Too many campaigns are being watched", headers={"Retry-After": "10"})
            topic = self._topics[name] = Topic(build, lambda: self._forget(name))
        if len(topic.viewers) >= MOST_VIEWERS:
            raise Refusal(503, "Too many watch already", headers={"Retry-After": "10"})
        await topic.first()
        return topic

    def _forget(self, name: str) -> None:
        self._topics.pop(name, None)

    def figures(self) -> dict[str, tuple[int, int, int, float]]:
        """By topic: viewers, snapshots built, viewers dropped, how long the last snapshot took (ms)."""
        return {
            name: (len(topic.viewers), topic.built, topic.dropped, topic.built_ms)
            for name, topic in self._topics.items()
        }

    async def stop(self) -> None:
        for topic in list(self._topics.values()):
            await topic.stop()


async def stream(topic: Topic, last_id: int, gone: Callable[[], Awaitable[bool]]) -> AsyncIterator[bytes]:
    """The events of one viewer, from the latest snapshot on, unless it is the one that it has."""
    viewer = Viewer()
    viewer.task = asyncio.current_task()
    topic.viewers.add(viewer)
    try:
        yield format_sse_event(retry=_RETRY_MS)
        latest = topic.latest
        if latest and latest.id > last_id:
            yield latest.event
        while not await gone():
            try:
                yield (await asyncio.wait_for(viewer.queue.get(), 5 * TICK_S)).event
            except TimeoutError:
                yield b": still here\n\n"
    finally:
        topic.viewers.discard(viewer)
