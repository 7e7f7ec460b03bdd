"""Threads that keep the tables fresh beside the requests: each works in rounds and rests longer than it worked."""

import logging
import threading
import time
from collections.abc import Callable

from api.context import Context
from api.live.checking import Checking
from api.live.closing import Closing
from api.live.pulse import Pulse
from schemas.errors import TidemarkError

log = logging.getLogger(__name__)


class Round:
    """`work` every `every_s`, and at most one part in `rest + 1` of the time."""

    def __init__(self, name: str, work: Callable[[Context], object], every_s: float, rest: float) -> None:
        self.name, self.work, self.every_s, self.rest = name, work, every_s, rest


def all_rounds() -> tuple[Round, ...]:
    return (
        Round("pulse", Pulse(), every_s=5.0, rest=2),
        Round("closing", Closing(), every_s=60.0, rest=20),
        Round("checks", Checking(), every_s=1.0, rest=8),
    )


class Background:
    """A thread for each round. Started and stopped once, by the event loop as the application begins and ends."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._ended = threading.Event()
        self._threads = [
            threading.Thread(target=self._run, args=(round_,), name=f"api {round_.name}", daemon=True)
            for round_ in all_rounds()
        ]

    def start(self) -> None:
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        """Waits for the rounds under way."""
        self._ended.set()
        for thread in self._threads:
            if thread.is_alive():
                thread.join()

    def _run(self, round_: Round) -> None:
        """A round that fails is told and tried again."""
        while not self._ended.is_set():
            started = time.monotonic()
            try:
                round_.work(self._context)
            except TidemarkError as error:
                log.warning("%s: %s", round_.name, error)
            except Exception:  # a bug of ours: the other rounds, and this one's next, may do without what it broke on
                log.exception("%s", round_.name)
            worked_s = time.monotonic() - started
            self._ended.wait(max(round_.every_s - worked_s, round_.rest * worked_s))
