"""One or several receiver processes on one port."""

import multiprocessing
import os
import signal
import socket
import threading
from multiprocessing.context import SpawnProcess

from api.one_port import END_WITHIN_S, ENDINGS, LOOK_EVERY_S, listening, serve
from api.webhooks.receiver import Receiver
from schemas.errors import UsageError
from schemas.settings import Settings

_MOST_WORKERS = 64


def receive(settings: Settings, host: str, port: int, workers: int) -> int:
    """Until SIGTERM or Ctrl-C; then 0. A process that dies is replaced. Raises UsageError."""
    if not 1 <= workers <= _MOST_WORKERS:
        raise UsageError(f"--workers {workers}: from 1 to {_MOST_WORKERS}")
    Receiver(settings)  # what is set wrongly shows here, once
    with listening(host, port) as listener:
        print(f"http://{host}:{listener.getsockname()[1]}/webhooks/", flush=True)
        if workers == 1:
            _work(settings, listener, os.getppid())
        else:
            _supervise(settings, listener, workers)
    return 0


def _supervise(settings: Settings, listener: socket.socket, workers: int) -> None:
    ended = threading.Event()
    for number in ENDINGS:
        signal.signal(number, lambda *_: ended.set())
    context = multiprocessing.get_context("spawn")
    team: list[SpawnProcess] = []
    while not ended.is_set():
        team = [process for process in team if process.is_alive()]
        for _ in range(workers - len(team)):
            process = context.Process(target=_work, args=(settings, listener, os.getpid()), daemon=True)
            process.start()
            team.append(process)
        ended.wait(LOOK_EVERY_S)
    for process in team:
        process.terminate()
    for process in team:
        process.join(END_WITHIN_S)


def _work(settings: Settings, listener: socket.socket, parent: int) -> None:
    """One process's share; it ends when its parent has."""
    serve(Receiver(settings), listener, parent)
