"""One ASGI application on one port, by the fastest server that we measured, until it is told to end."""

import asyncio
import os
import signal
import socket
from threading import Event
from typing import Any

import uvicorn

from schemas.errors import UsageError

END_WITHIN_S = 10
ENDINGS = (signal.SIGTERM, signal.SIGINT)
LOOK_EVERY_S = 0.5
_BACKLOG = 2048


def listening(host: str, port: int) -> socket.socket:
    """A socket that other processes may share: a connection that waits outlives the one that might have taken it.

    Raises UsageError.
    """
    listener = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_STREAM)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((host, port))
    except (OSError, OverflowError) as error:
        listener.close()
        raise UsageError(f"port {port} of {host}: {getattr(error, 'strerror', None) or error}") from None
    listener.listen(_BACKLOG)
    listener.set_inheritable(True)
    return listener


def serve(application: Any, listener: socket.socket, parent: int) -> None:
    """Until SIGTERM, Ctrl-C, or the end of process `parent`; requests that were taken are answered first."""
    config = uvicorn.Config(
        application,
        loop="uvloop",
        http="httptools",
        log_config=None,
        access_log=False,
        server_header=False,
        date_header=False,
        timeout_graceful_shutdown=END_WITHIN_S // 2,
    )
    # uvicorn ends in order at these, and raises them once more when it has. One that comes before it listens to them,
    # as a roll-out may send while a process still starts, is kept for it.
    asked = Event()
    for number in ENDINGS:
        signal.signal(number, lambda *_: asked.set())
    with asyncio.Runner(loop_factory=config.get_loop_factory()) as runner:
        runner.run(_serve(uvicorn.Server(config), listener, parent, asked))


async def _serve(server: uvicorn.Server, listener: socket.socket, parent: int, asked: Event) -> None:
    watch = asyncio.create_task(_watch(server, parent, asked))
    try:
        await server.serve(sockets=[listener])
    finally:
        watch.cancel()


async def _watch(server: uvicorn.Server, parent: int, asked: Event) -> None:
    while os.getppid() == parent and not asked.is_set():
        await asyncio.sleep(LOOK_EVERY_S)
    server.should_exit = True
