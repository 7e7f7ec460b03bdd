"""How a process is asked to end, and what it failed of."""

import signal
import threading
from types import FrameType

from schemas.errors import TidemarkError


class Stop:
    """One per process, handed to all that runs in it: sources end their input when it is set, so all is snapshotted."""

    def __init__(self) -> None:
        self._asked = threading.Event()
        self.failure: TidemarkError | None = None

    def __call__(self) -> bool:
        return self._asked.is_set()

    def ask(self) -> None:
        self._asked.set()

    def fail(self, error: TidemarkError) -> None:
        """End because of `error`; the first one counts. Bytewax loses it on the way out of a cluster."""
        self.failure = self.failure or error
        self.ask()

    def wait(self, timeout_s: float) -> bool:
        """Whether it was asked, as soon as it is."""
        return self._asked.wait(timeout_s)

    def on_signals(self) -> None:
        """SIGTERM and SIGINT ask for it; only the main thread may say so."""
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._on_signal)

    def _on_signal(self, _number: int, _frame: FrameType | None) -> None:
        self.ask()
