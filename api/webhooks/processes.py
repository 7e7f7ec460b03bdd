"""One or several receiver processes on one port.

The socket is opened once and shared: a connection that waits outlives the process that might have taken it.
"""

import asyncio
import multiprocessing
import os
import signal
import socket
import threading
from multiprocessing.context import SpawnProcess

import uvicorn

from api.webhooks.receiver import Receiver
from schemas.errors import UsageError
from schemas.settings import Settings

_BACKLOG = 2048
_MOST_WORKERS = 64
_LOOK_EVERY_S = 0.5
_END_WITHIN_S = 10
_ENDINGS = (signal.SIGTERM, signal.SIGINT)


def serve(settings: Settings, host: str, port: int, workers: int) -> int:
    """Until SIGTERM or Ctrl-C; then 0. A process that dies is replaced. Raises UsageError."""
    if not 1 <= workers <= _MOST_WORKERS:
        raise UsageError(f"--workers {workers}: from 1 to {_MOST_WORKERS}")
    Receiver(settings)  # what is set wrongly shows here, once
    with _listening(host, port) as listener:
        print(f"http://{host}:{listener.getsockname()[1]}/webhooks/", flush=True)
        if workers == 1:
            _work(settings, listener, os.getppid())
        else:
            _supervise(settings, listener, workers)
    return 0


def _listening(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((host, port))
    except (OSError, OverflowError) as error:
        listener.close()
        raise UsageError(f"port {port} of {host}: {getattr(error, 'strerror', None) or error}") from None
    listener.listen(_BACKLOG)
    listener.set_inheritable(True)
    return listener


def _supervise(settings: Settings, listener: socket.socket, workers: int) -> None:
    ended = threading.Event()
    for number in _ENDINGS:
        signal.signal(number, lambda *_: ended.set())
    context = multiprocessing.get_context("spawn")
    team: list[SpawnProcess] = []
    while not ended.is_set():
        team = [process for process in team if process.is_alive()]
        for _ in range(workers - len(team)):
            process = context.Process(target=_work, args=(settings, listener, os.getpid()), daemon=True)
            process.start()
            team.append(process)
        ended.wait(_LOOK_EVERY_S)
    for process in team:
        process.terminate()
    for process in team:
        process.join(_END_WITHIN_S)


def _work(settings: Settings, listener: socket.socket, parent: int) -> None:
    """One process's share; it ends when its parent has."""
    config = uvicorn.Config(
        Receiver(settings),
        loop="uvloop",
        http="httptools",
        log_level="warning",
        access_log=False,
        server_header=False,
        date_header=False,
        timeout_graceful_shutdown=_END_WITHIN_S // 2,
    )
    # uvicorn ends in order at these, and raises them once more when it has.
    for number in _ENDINGS:
        signal.signal(number, lambda *_: None)
    with asyncio.Runner(loop_factory=config.get_loop_factory()) as runner:
        runner.run(_serve(uvicorn.Server(config), listener, parent))


async def _serve(server: uvicorn.Server, listener: socket.socket, parent: int) -> None:
    watch = asyncio.create_task(_watch(server, parent))
    try:
        await server.serve(sockets=[listener])
    finally:
        watch.cancel()


async def _watch(server: uvicorn.Server, parent: int) -> None:
    while os.getppid() == parent:
        await asyncio.sleep(_LOOK_EVERY_S)
    server.should_exit = True
