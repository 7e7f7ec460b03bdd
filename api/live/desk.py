"""What lives as long as the application: watchers, the hub, and the threads that keep the tables fresh."""

from collections import OrderedDict
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
QUESTION_THREADS = 1
"""Of ClickHouse's a question: on two a tick's questions took 85 ms of processor time and at worst 100 ms, on one 73 and
80; what is counted in the background leaves a core to them."""


class Desk:
    """One for an application, made and stopped with it. The event loop and requests' threads ask it for watchers."""

    def __init__(self, context: Context) -> None:
        self._warehouse = context.warehouse.aside(threads=QUESTION_THREADS)
        self._context = context = msgspec.structs.replace(context, warehouse=self._warehouse)
        self.hub = Hub()
        self.pool = ThreadPoolExecutor(QUESTIONS_AT_ONCE, thread_name_prefix="question")
        self.background = Background(context)
        self._ops = OpsWatcher(context, self.hub.figures)
        self._watchers: OrderedDict[str, Watcher] = OrderedDict()
        self._guard = Lock()

    def watcher(self, campaign_id: str) -> Watcher:
        """The campaign's own; the least recently asked for go first."""
        with self._guard:
            if campaign_id not in self._watchers:
                self._watchers[campaign_id] = Watcher(self._context, campaign_id, self.pool)
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
        self._warehouse.close()


def desk_of(request: Request) -> Desk:
    desk: Desk = request.app.state.desk
    return desk
