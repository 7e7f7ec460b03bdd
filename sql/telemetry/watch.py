"""Is what a process needs there? Asked in a thread of its own, so that no probe waits for the answer."""

import threading
from collections.abc import Callable
from types import TracebackType

from schemas.errors import TidemarkError

_EVERY_S = 5.0


class Watch:
    """`why` is the line of the TidemarkError that `ask` raised last; empty while it answers, or with nothing to ask."""

    def __init__(self, ask: Callable[[], object] | None, every_s: float = _EVERY_S) -> None:
        self.why = ""
        self._every_s = every_s
        self._ended = threading.Event()
        if ask:
            threading.Thread(target=self._run, args=(ask,), name="watch", daemon=True).start()

    def _run(self, ask: Callable[[], object]) -> None:
        while not self._ended.is_set():
            try:
                ask()
                self.why = ""
            except TidemarkError as error:
                self.why = str(error)
            self._ended.wait(self._every_s)

    def close(self) -> None:
        """What is being asked is not waited for."""
        self._ended.set()

    def __enter__(self) -> "Watch":
        return self

    def __exit__(self, *_: type[BaseException] | BaseException | TracebackType | None) -> None:
        self.close()
