"""A flow in a process that has all it needs in memory and starts once told to, so that a rate counts no imports."""

import multiprocessing
import sys
from collections.abc import Callable
from multiprocessing.synchronize import Event

from flows import route, status
from flows.running import run
from flows.sources import Ends
from flows.stopping import Stop
from schemas.errors import TidemarkError
from schemas.settings import Settings


def run_route(settings: Settings, stop: Stop, ends: Ends) -> None:
    flow, companions = route.build(settings, stop, ends)
    run(flow, companions, settings, "route", stop)


def run_status(settings: Settings, stop: Stop, ends: Ends) -> None:
    flow, companions = status.build(settings, stop, ends)
    run(flow, companions, settings, "status", stop)


RunFlow = Callable[[Settings, Stop, Ends], None]


class WarmFlow:
    """Runs a flow to the end of its input: `run_route` or `run_status`."""

    def __init__(self, flow: RunFlow, settings: Settings) -> None:
        spawning = multiprocessing.get_context("spawn")
        self._go, ready = spawning.Event(), spawning.Event()
        self._process = spawning.Process(target=_wait_and_run, args=(flow, settings, ready, self._go), daemon=True)
        self._process.start()
        while not ready.wait(0.1) and self._process.is_alive():
            pass

    def run(self) -> None:
        """Raises TidemarkError if it didn't come to the end; it has said why."""
        self._go.set()
        self._process.join()
        if self._process.exitcode:
            raise TidemarkError(f"the flow ended with exit code {self._process.exitcode}")


def _wait_and_run(flow: RunFlow, settings: Settings, ready: Event, go: Event) -> None:
    stop = Stop()
    stop.on_signals()
    ready.set()
    while not go.wait(0.1):
        if stop():
            return
    try:
        flow(settings, stop, lambda: True)
    except TidemarkError as error:
        print(f"{flow.__name__}: {error}", file=sys.stderr)
        sys.exit(error.exit_code)
