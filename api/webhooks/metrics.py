"""What the receiver's processes count, on one port: each into files of its own, and whoever scrapes gets their sum.

    process ─▶ files (memory-mapped) ─┐
    process ─▶ files ─────────────────┴─▶ the process above them ─▶ TIDEMARK_METRICS_PORT

The files of one that died stay, so that no counter goes back. https://prometheus.github.io/client_python/multiprocess/
"""

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from prometheus_client import CollectorRegistry
from prometheus_client.multiprocess import MultiProcessCollector, mark_process_dead

from api.webhooks.receiver import Receiver
from flows.providers import PROVIDERS
from flows.topics.presence import asking_broker
from schemas.settings import Settings
from sql.telemetry.health import Health, State, Verdict
from sql.telemetry.requests import Counted
from sql.telemetry.server import TelemetryServer, new_registry
from sql.telemetry.watch import Watch

_FOLDER = "PROMETHEUS_MULTIPROC_DIR"
"""prometheus_client looks for it when it is imported: it must stand there before the processes start."""


def counted(receiver: Receiver, settings: Settings, registry: CollectorRegistry | None = None) -> Any:
    """The application to serve; where no port is set nothing is counted, at no cost."""
    return Counted(receiver, registry or CollectorRegistry(), PROVIDERS) if settings.metrics_port else receiver


@contextmanager
def telling(settings: Settings, health: Health, registry: CollectorRegistry) -> Iterator[None]:
    """`registry` is served while this lasts, where a port is set. Raises UsageError: it is taken.

    Broken is who has no broker: then providers get 503, and come again.
    """
    if not settings.metrics_port:
        yield
        return
    with Watch(asking_broker(settings)) as broker:
        either = lambda: Verdict(State.BROKEN, broker.why) if broker.why else health()  # noqa: E731
        with TelemetryServer(registry, either, settings.metrics_port, settings.http_host):
            yield


@contextmanager
def merged() -> Iterator[CollectorRegistry]:
    """What processes that are started meanwhile count."""
    registry = new_registry()
    with tempfile.TemporaryDirectory(prefix="tidemark-metrics-") as folder:
        os.environ[_FOLDER] = folder
        try:
            MultiProcessCollector(registry, path=folder)  # type: ignore[no-untyped-call]
            yield registry
        finally:
            del os.environ[_FOLDER]


def forget(pid: int) -> None:
    """A process that ended has no request under way."""
    if folder := os.environ.get(_FOLDER):
        mark_process_dead(pid, folder)  # type: ignore[no-untyped-call]
