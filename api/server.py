"""Run the API: `python -m api`, or inside another process."""

import asyncio
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import uvicorn
from fastapi import FastAPI
from prometheus_client import CollectorRegistry

from api.app import build_app
from api.webhooks import Receiver, beside
from flows.providers import PROVIDERS
from flows.topics.presence import asking_broker
from schemas.errors import UsageError
from schemas.settings import Settings
from sql.telemetry.health import State, Verdict
from sql.telemetry.requests import Counted
from sql.telemetry.server import TelemetryServer, new_registry
from sql.telemetry.watch import Watch
from sql.warehouse import Warehouse

_LOOK_EVERY_S = 0.2


def serve_until(settings: Settings, ended: Callable[[], bool]) -> None:
    """Serve until `ended()`, SIGTERM or Ctrl-C. Raises UsageError when the port is taken."""
    registry = new_registry()
    with Warehouse(settings.clickhouse, share=True) as warehouse, _telemetry(settings, registry, warehouse):
        application = build_app(warehouse, settings)
        config = uvicorn.Config(
            Counted(beside(application, Receiver(settings)), registry, PROVIDERS),
            host=settings.http_host,
            port=settings.http_port,
            loop="uvloop",
            http="httptools",
            log_config=None,
            access_log=False,
            timeout_graceful_shutdown=2,
        )
        with asyncio.Runner(loop_factory=config.get_loop_factory()) as runner:
            runner.run(_serve(_Server(config, application), ended))


class _Server(uvicorn.Server):
    """Lets the streams of open pages end before it waits for what is under way: they have no end of their own."""

    def __init__(self, config: uvicorn.Config, application: FastAPI) -> None:
        super().__init__(config)
        self._application = application

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        await self._application.state.desk.hub.stop()
        await super().shutdown(sockets)


@contextmanager
def _telemetry(settings: Settings, registry: CollectorRegistry, warehouse: Warehouse) -> Iterator[None]:
    """On a port of its own where one is set; ready where database and broker answer."""
    if not settings.metrics_port:
        yield
        return
    with Watch(lambda: warehouse.ask("rows_held")) as database, Watch(asking_broker(settings)) as broker:
        health = lambda: _verdict(database.why or broker.why)  # noqa: E731
        with TelemetryServer(registry, health, settings.metrics_port, settings.http_host):
            yield


def _verdict(why: str) -> Verdict:
    return Verdict(State.BROKEN, why) if why else Verdict(State.READY)


async def _serve(server: uvicorn.Server, ended: Callable[[], bool]) -> None:
    watch = asyncio.create_task(_watch(server, ended))
    try:
        await server.serve()
    except SystemExit:
        if server.started:
            raise  # a signal's, after all was closed
        raise UsageError(
            f"port {server.config.port} of {server.config.host} is taken; set TIDEMARK_HTTP_PORT"
        ) from None
    finally:
        watch.cancel()


async def _watch(server: uvicorn.Server, ended: Callable[[], bool]) -> None:
    while not ended():
        await asyncio.sleep(_LOOK_EVERY_S)
    server.should_exit = True
