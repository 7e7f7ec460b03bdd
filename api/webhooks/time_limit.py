"""A time limit for many short waits at once: what `asyncio.timeout` does, without its timer, 5 µs each time."""

import asyncio
from types import TracebackType

_LOOKS = 10
"""In the time allowed: who takes too long is ended by a tenth of it too late at most."""
_ENDED = -1


class TimeLimit:
    """`with limit: await …` raises TimeoutError where that takes more than `seconds`; any number of tasks of one event
    loop share one limit, each within it once at a time."""

    def __init__(self, seconds: float) -> None:
        self._every_s = seconds / _LOOKS
        self._looks = 0
        self._begun: dict[asyncio.Task[object], int] = {}
        """At which look, oldest first."""
        self._next_look: asyncio.TimerHandle | None = None

    def __enter__(self) -> None:
        self._begun[_task()] = self._looks
        if self._next_look is None:
            self._look_later()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, _traceback: TracebackType | None
    ) -> None:
        task = _task()
        was_ended = self._begun.pop(task) == _ENDED
        # Where somebody else cancelled it as well, that counts.
        if was_ended and not task.uncancel() and kind is asyncio.CancelledError:
            raise TimeoutError from error

    def _look_later(self) -> None:
        self._next_look = asyncio.get_running_loop().call_later(self._every_s, self._look)

    def _look(self) -> None:
        self._looks += 1
        for task, begun in self._begun.items():
            if begun == _ENDED:
                continue
            if self._looks - begun <= _LOOKS:
                break
            self._begun[task] = _ENDED
            task.cancel()
        self._next_look = None
        if self._begun:
            self._look_later()


def _task() -> asyncio.Task[object]:
    task = asyncio.current_task()
    assert task is not None
    return task
