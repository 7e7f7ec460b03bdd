"""Topics and their viewers: each second one snapshot a topic, sent to all who watch it.

        Watcher ──▶ Topic (one thread call a tick) ──▶ viewer's queue ──▶ text/event-stream
                                                  └──▶ viewer's queue, full: the viewer is dropped

A topic ticks while somebody watches, and a little longer. Its snapshots are whole, so a viewer that comes back with
`Last-Event-ID` gets the latest at once if that is newer, else the next, and misses nothing by the ones between.
Now and then it asks of each viewer whether it still may watch: a key that was revoked, a link that has ended.
"""

import asyncio
import itertools
import logging
import time
from collections.abc import AsyncGenerator, Callable
from typing import Any

from fastapi.sse import format_sse_event
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
_QUIET_TICKS = 5
_LOOK_AGAIN_TICKS = 10
_STILL_HERE = b": still here\n\n"
"""So that nothing between us and a viewer takes a slow snapshot for a dead connection."""
_END = b""


class Identified(BaseModel):
    """What a topic's snapshots have: when they were read, in ms since the epoch."""

    id: int


Build = Callable[[], Identified]
Face = Callable[[Any], BaseModel]
"""What a viewer is shown of a snapshot."""


def whole(snapshot: BaseModel) -> BaseModel:
    return snapshot


class Built:
    """A snapshot as it goes over the wire."""

    def __init__(self, snapshot: Identified) -> None:
        self.id = snapshot.id
        self._snapshot = snapshot
        self._events: dict[Face, bytes] = {}

    def event(self, face: Face) -> bytes:
        """Made once for all who see it so."""
        if face not in self._events:
            text = face(self._snapshot).model_dump_json()
            self._events[face] = format_sse_event(data_str=text, event="snapshot", id=str(self.id))
        return self._events[face]


class Viewer:
    """One connection: what it sees, whether it still may (asked from a thread), its queue, the task that empties it."""

    def __init__(self, face: Face, may_watch: Callable[[], bool]) -> None:
        self.face = face
        self.may_watch = may_watch
        self.queue: asyncio.Queue[bytes] = asyncio.Queue(_WAITING)
        self.task: asyncio.Task[object] | None = None

    def offer(self, event: bytes) -> bool:
        """False: it is too far behind."""
        try:
            self.queue.put_nowait(event)
        except asyncio.QueueFull:
            return False
        return True


class Topic:
    """One build and its viewers. Lives in the event loop; only `build` runs in a thread, once at a time.

    However it ends, nobody is left in it: who waits for the first snapshot is told why there is none, who watches is
    cut off and comes again.
    """

    def __init__(self, build: Build, ended: Callable[[], None]) -> None:
        self._build = build
        self._ended = ended
        self.viewers: set[Viewer] = set()
        self.latest: Built | None = None
        self.built = 0
        self.dropped = 0
        self.built_ms = 0.0
        self.has_ended = False
        self._idle = 0
        self._why_none: BaseException = _ending()
        self._first = asyncio.Event()
        self._task = asyncio.create_task(self._run())
        self._task.add_done_callback(self._over)

    async def first(self) -> Built:
        """The latest snapshot, or the first when it is there. Raises what kept it from being built."""
        await self._first.wait()
        if self.latest is None:
            raise self._why_none
        self._idle = 0
        return self.latest

    async def _run(self) -> None:
        """Raises Refusal where there can be no snapshot; a database that fails is asked again."""
        due = time.monotonic()
        for tick in itertools.count(1):
            try:
                await self._tick()
                if tick % _LOOK_AGAIN_TICKS == 0:
                    await self._look_again()
            except TidemarkError as error:
                log.warning("live: %s", error)  # the page sees its data age
                self._why_none = error
                self._send(lambda _: _STILL_HERE)
            self._idle = 0 if self.viewers else self._idle + 1
            due = max(due + TICK_S, time.monotonic())
            await asyncio.sleep(due - time.monotonic())
            if not self.viewers and self._idle >= _LINGER_TICKS:
                return

    def _over(self, task: asyncio.Task[None]) -> None:
        error = None if task.cancelled() else task.exception()
        if error:
            self._why_none = error
            if not isinstance(error, Refusal):
                log.error("live: a topic ended", exc_info=error)
        self.has_ended = True
        self._first.set()
        self._ended()
        for viewer in list(self.viewers):
            self._cut_off(viewer)

    async def _tick(self) -> None:
        started = time.perf_counter()
        built = self.latest = Built(self._numbered(await self._snapshot()))
        self.built += 1
        self._first.set()
        self._send(lambda viewer: built.event(viewer.face))
        self.built_ms = (time.perf_counter() - started) * 1000

    async def _look_again(self) -> None:
        viewers = list(self.viewers)
        may_watch = await asyncio.to_thread(lambda: [viewer.may_watch() for viewer in viewers])
        for viewer, may in zip(viewers, may_watch, strict=True):
            if not may:
                self._cut_off(viewer)

    def _numbered(self, snapshot: Identified) -> Identified:
        """Its id grows though the clock be set back or stand: a viewer's last id would hide all that follow."""
        least = self.latest.id + 1 if self.latest else 0
        return snapshot if snapshot.id >= least else snapshot.model_copy(update={"id": least})

    async def _snapshot(self) -> Identified:
        building = asyncio.create_task(asyncio.to_thread(self._build))
        while not (await asyncio.wait({building}, timeout=_QUIET_TICKS * TICK_S))[0]:
            self._send(lambda _: _STILL_HERE)
        return building.result()

    def _send(self, event: Callable[[Viewer], bytes]) -> None:
        for viewer in [viewer for viewer in self.viewers if not viewer.offer(event(viewer))]:
            self._cut_off(viewer)
            self.dropped += 1

    def _cut_off(self, viewer: Viewer) -> None:
        """In order, where it keeps up."""
        self.viewers.discard(viewer)
        if not viewer.offer(_END) and viewer.task:
            viewer.task.cancel("too slow a viewer")

    async def stop(self) -> None:
        self._task.cancel()
        await asyncio.wait({self._task})


class Hub:
    """All topics of a process; lives in its event loop."""

    def __init__(self) -> None:
        self._topics: dict[str, Topic] = {}
        self._stopped = False

    async def join(self, name: str, build: Build) -> Topic:
        """The topic, running, with a snapshot. Raises Refusal: there is none, or too many watch; TidemarkError."""
        if self._stopped:
            raise _ending()
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
        """By topic: viewers, snapshots built, viewers dropped, how long the last snapshot took (ms). For any thread."""
        return {
            name: (len(topic.viewers), topic.built, topic.dropped, topic.built_ms)
            for name, topic in self._topics.copy().items()
        }

    async def stop(self) -> None:
        """Every viewer's stream ends in order; nobody joins any more."""
        self._stopped = True
        for topic in list(self._topics.values()):
            await topic.stop()


def _ending() -> Refusal:
    return Refusal(503, "The live page is ending", headers={"Retry-After": "2"})


async def stream(
    topic: Topic, last_id: int, face: Face = whole, may_watch: Callable[[], bool] = lambda: True
) -> AsyncGenerator[bytes]:
    """The events of one viewer, from the latest snapshot on, unless it is the one that it has.

    Until the topic ends or it may no longer watch, or its task is cancelled: by the server when the viewer goes, by the
    topic when it is too slow. Thousands do this at the same moment, so none has a timer or a look at the connection of
    its own.
    """
    viewer = Viewer(face, may_watch)
    viewer.task = asyncio.current_task()
    topic.viewers.add(viewer)
    try:
        yield format_sse_event(retry=_RETRY_MS)
        latest = topic.latest
        if latest and latest.id > last_id:
            yield latest.event(face)
        while not topic.has_ended and (event := await viewer.queue.get()) != _END:
            yield event
    finally:
        topic.viewers.discard(viewer)
