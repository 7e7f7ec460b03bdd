"""How a process is asked to end, and what it failed of."""

import logging
import os
import signal
import sys
import threading
import time
from collections.abc import Callable
from types import FrameType

from schemas.errors import TidemarkError

log = logging.getLogger(__name__)

GRACE_S = 10.0
LAST_TRIES_S = 5.0
"""A neighbour that ends at the same moment may have held the engine: another takes over well within this."""


class Stop:
    """One per process, handed to all that runs in it: sources end their input when it is set, so all is snapshotted."""

    def __init__(self) -> None:
        self._asked = threading.Event()
        self._asked_at = 0.0
        self.failure: TidemarkError | None = None

    def __call__(self) -> bool:
        return self._asked.is_set()

    def ask(self) -> None:
        self._asked_at = self._asked_at or time.monotonic()
        self._asked.set()

    def presses(self) -> bool:
        """Whether what does not work is no longer tried: it was asked a while ago, or something failed."""
        return self() and (self.failure is not None or time.monotonic() - self._asked_at > LAST_TRIES_S)

    def fail(self, error: TidemarkError) -> None:
        """End because of `error`; the first one counts. Bytewax loses it on the way out of a cluster."""
        self.failure = self.failure or error
        self.ask()

    def thread(self, name: str, work: Callable[[], None]) -> threading.Thread:
        """Not started yet, a daemon: whatever breaks it ends the process, with one line that says what."""

        def guarded() -> None:
            try:
                work()
            except BaseException as error:  # noqa: BLE001  # reaches no one (Polars' panics neither): all must end of it
                self.fail(as_ours(name, error))

        return threading.Thread(target=guarded, name=name, daemon=True)

    def wait(self, timeout_s: float) -> bool:
        """Whether it was asked, as soon as it is."""
        return self._asked.wait(timeout_s)

    def on_signals(self) -> None:
        """SIGTERM and SIGINT ask for it; only the main thread may say so."""
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._on_signal)

    def _on_signal(self, _number: int, _frame: FrameType | None) -> None:
        self.ask()


def end_in_time(name: str, stop: Stop, ended: threading.Event) -> None:
    """Who asks `flows.NAME` to end waits no longer than the grace period: what was not snapshotted is read again."""

    def watch() -> None:
        while not stop.wait(60):
            pass
        if ended.wait(GRACE_S):
            return
        log.error("not ended within %.0f s of being asked: exit without a snapshot", GRACE_S)
        os._exit(tell(name, stop.failure) if stop.failure else 1)

    threading.Thread(target=watch, name="watchdog", daemon=True).start()


def tell(name: str, error: TidemarkError) -> int:
    """In one line what `flows.NAME` failed of; the exit code."""
    print(f"flows.{name}: {error}", file=sys.stderr, flush=True)
    return error.exit_code


def as_ours(name: str, error: BaseException) -> TidemarkError:
    """What broke `name`, in one line."""
    if isinstance(error, TidemarkError):
        return error
    said = str(error).partition("\n")[0]
    return TidemarkError(f"{name}: {type(error).__name__}: {said}")


def never() -> bool:
    """For what ends only when it is asked to."""
    return False
