"""Both flows as `python -m flows.route` and `python -m flows.status` would run them, each ending with its input.

Status runs in a thread of this process; route too, or in a process of its own, for an interpreter lock of its own.
"""

import threading
from collections.abc import Callable

from flows import route, status
from flows.sources import Ends, make_topics
from flows.stopping import Stop
from loadgen.warm import WarmFlow, run_route, run_status
from schemas.errors import TidemarkError
from schemas.settings import Settings


class Flows:
    """Route and status over `settings`. `ends`: each ends once its input is read to the end, status after route."""

    def __init__(self, settings: Settings, *, ends: bool, apart: WarmFlow | None = None) -> None:
        self._settings = settings
        self._apart = apart
        self._stop = Stop()
        self._routed = threading.Event()
        self._failures: list[BaseException] = []
        make_topics(settings, *route.topics(settings), *status.topics(settings))
        at_once: Ends = lambda: ends  # noqa: E731
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

    def fail(self, error: TidemarkError) -> None:
        """End both; `wait` raises it."""
        self._failures.append(error)
        self._stop.fail(error)

    def failed(self) -> bool:
        return bool(self._failures)

    def _run_route(self, ends: Ends) -> None:
        self._guarded(self._apart.run if self._apart else lambda: run_route(self._settings, self._stop, ends))
        self._routed.set()

    def _run_status(self, ends: Ends) -> None:
        self._guarded(lambda: run_status(self._settings, self._stop, ends))

    def _guarded(self, go: Callable[[], None]) -> None:
        """One flow that breaks takes the other along."""
        try:
            go()
        except TidemarkError as error:
            self.fail(error)
        except BaseException as error:  # noqa: BLE001  # a thread's own end would go unseen
            self._failures.append(error)
            self._stop.ask()
