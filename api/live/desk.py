"""What lives as long as the application: watchers, the hub, and the threads that keep the tables fresh."""

from collections import OrderedDict
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from threading import Lock

import msgspec
from fastapi import Request

from api.context import Context
from api.live.background import Background
from api.live.hub import Hub
from api.live.ops import OpsWatcher
from api.live.ops_snapshot import OpsSnapshot
from api.live.watcher import Watcher

_MOST_WATCHERS = 300
QUESTIONS_AT_ONCE = 4
"""On two cores more only wait for each other."""
QUESTION_SETTINGS: dict[str, str | int] = {
    "max_threads": 1,  # on two a tick took 85 ms of processor time and at worst 100 ms, on one 73 and 80
    "local_filesystem_read_method": "mmap",  # a tick reads 30 MB of sets: seven milliseconds less than copying them
    "min_bytes_to_use_mmap_io": 1,
    "os_thread_priority": -5,  # where ClickHouse may (CAP_SYS_NICE), else it does nothing
}
BACKGROUND_SETTINGS: dict[str, str | int] = {**QUESTION_SETTINGS, "os_thread_priority": 19}
"""A tick beside an insert and a count got a quarter of a core: of a hundred the slowest took 113 ms, with both 93."""


class Desk:
    """One for an application, made and stopped with it. The event loop and requests' threads ask it for watchers."""

    def __init__(self, context: Context) -> None:
        self._asking = _aside(context, QUESTION_SETTINGS)
        self._counting = _aside(context, BACKGROUND_SETTINGS)
        self.hub = Hub()
        self.pool = ThreadPoolExecutor(QUESTIONS_AT_ONCE, thread_name_prefix="question")
        self.background = Background(self._counting)
        self._ops = OpsWatcher(self._asking, self.hub.figures)
        self._watchers: OrderedDict[str, Watcher] = OrderedDict()
        self._guard = Lock()

    def watcher(self, campaign_id: str) -> Watcher:
        """The campaign's own; the least recently asked for go first."""
        with self._guard:
            if campaign_id not in self._watchers:
                self._watchers[campaign_id] = Watcher(self._asking, campaign_id, self.pool)
            self._watchers.move_to_end(campaign_id)
            while len(self._watchers) > _MOST_WATCHERS:
                self._watchers.popitem(last=False)
            return self._watchers[campaign_id]

    def ops(self) -> OpsSnapshot:
        return self._ops.snapshot()

    async def stop(self) -> None:
        await self.hub.stop()
        self.background.stop()
        self.pool.shutdown(wait=False, cancel_futures=True)
        for context in (self._asking, self._counting):
            context.warehouse.close()


def _aside(context: Context, settings: Mapping[str, str | int]) -> Context:
    """With a connection of its own."""
    return msgspec.structs.replace(context, warehouse=context.warehouse.aside(settings))


def desk_of(request: Request) -> Desk:
    desk: Desk = request.app.state.desk
    return desk
