"""One or several receiver processes on one port."""

import multiprocessing
import os
import signal
import socket
import threading
from multiprocessing.context import SpawnProcess

from api.one_port import END_WITHIN_S, ENDINGS, LOOK_EVERY_S, listening, serve
from api.webhooks.metrics import counted, forget, merged, telling
from api.webhooks.receiver import Receiver
from schemas.errors import UsageError
from schemas.settings import Settings
from sql.telemetry.health import State, Verdict
from sql.telemetry.logs import set_up_logs
from sql.telemetry.server import new_registry

_MOST_WORKERS = 64


def receive(settings: Settings, host: str, port: int, workers: int) -> int:
    """Until SIGTERM or Ctrl-C; then 0. A process that dies is replaced. Raises UsageError."""
    if not 1 <= workers <= _MOST_WORKERS:
        raise UsageError(f"--workers {workers}: from 1 to {_MOST_WORKERS}")
    set_up_logs(settings.log)
    receiver = Receiver(settings)  # what is set wrongly shows here, once
    with listening(host, port) as listener:
        address = f"http://{host}:{listener.getsockname()[1]}/webhooks/"
        if workers == 1:
            registry = new_registry()
            application = counted(receiver, settings, registry)
            with telling(settings, lambda: Verdict(State.READY), registry):
                print(address, flush=True)
                serve(application, listener, os.getppid())
        else:
            with merged() as registry:
                team = Team(settings, listener, workers)
                with telling(settings, team.health, registry):
                    print(address, flush=True)
                    team.supervise()
    return 0


class Team:
    """`workers` processes with one socket."""

    def __init__(self, settings: Settings, listener: socket.socket, workers: int) -> None:
        self._settings = settings
        self._listener = listener
        self._workers = workers
        self._context = multiprocessing.get_context("spawn")
        self._processes: list[SpawnProcess] = []

    def supervise(self) -> None:
        """Until asked to end; all have ended when it returns."""
        ended = threading.Event()
        for number in ENDINGS:
            signal.signal(number, lambda *_: ended.set())
        while not ended.is_set():
            self._replace_dead()
            ended.wait(LOOK_EVERY_S)
        for process in self._processes:
            process.terminate()
        for process in self._processes:
            process.join(END_WITHIN_S)

    def health(self) -> Verdict:
        alive = sum(process.is_alive() for process in list(self._processes))
        if alive == self._workers:
            return Verdict(State.READY)
        return Verdict(State.STARTING, f"{alive} of {self._workers} processes run")

    def _replace_dead(self) -> None:
        for process in self._processes:
            if not process.is_alive() and process.pid:
                forget(process.pid)
        alive = [process for process in self._processes if process.is_alive()]
        self._processes = alive + [self._start() for _ in range(self._workers - len(alive))]

    def _start(self) -> SpawnProcess:
        process = self._context.Process(target=_work, args=(self._settings, self._listener, os.getpid()), daemon=True)
        process.start()
        return process


def _work(settings: Settings, listener: socket.socket, parent: int) -> None:
    """One process's share; it ends when its parent has."""
    set_up_logs(settings.log)
    serve(counted(Receiver(settings), settings), listener, parent)
