"""Both flows in threads of this process, as `python -m flows.route` and `python -m flows.status` would run them."""

import threading
from collections.abc import Callable

from flows import route, status
from flows.running import run
from flows.sources import make_topics
from flows.stopping import Stop
from schemas.errors import TidemarkError
from schemas.settings import Settings


class Flows:
    """Route and status over `settings`. `ends`: each ends once its input is read to the end, status after route."""

    def __init__(self, settings: Settings, *, ends: bool) -> None:
        self._settings = settings
        self._stop = Stop()
        self._routed = threading.Event()
        self._failures: list[BaseException] = []
        make_topics(settings, *route.topics(settings), *status.topics(settings))
        at_once: Callable[[], bool] = lambda: ends  # noqa: E731
        self._threads = [
            threading.Thread(target=self._run_route, args=(at_once,), name="flows.route"),
            threading.Thread(
                target=self._run_status, args=(lambda: ends and self._routed.is_set(),), name="flows.status"
            ),
        ]

    def start(self) -> None:
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        self._stop.ask()

    def wait(self) -> None:
        """Until both have ended; raises what broke one of them."""
        for thread in self._threads:
            thread.join()
        if self._failures:
            raise self._failures[0]

    def failed(self) -> bool:
        return bool(self._failures)

    def _run_route(self, ends: Callable[[], bool]) -> None:
        def go() -> None:
            flow, companions = route.build(self._settings, self._stop, ends)
            run(flow, companions, self._settings, "route", self._stop)

        self._guarded(go)
        self._routed.set()

    def _run_status(self, ends: Callable[[], bool]) -> None:
        def go() -> None:
            flow, companions = status.build(self._settings, self._stop, ends)
            run(flow, companions, self._settings, "status", self._stop)

        self._guarded(go)

    def _guarded(self, go: Callable[[], None]) -> None:
        """One flow that breaks takes the other along."""
        try:
            go()
        except TidemarkError as error:
            self._failures.append(error)
            self._stop.fail(error)
        except BaseException as error:  # noqa: BLE001  # a thread's own end would go unseen
            self._failures.append(error)
            self._stop.ask()
