"""`/metrics`, `/healthz` and `/readyz` of one process, on a port of its own.

Formats: https://prometheus.io/docs/instrumenting/exposition_formats/; health as JSON, 200 or 503.
"""

import json
import threading
from collections.abc import Callable, Iterable
from types import TracebackType
from typing import Any
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server

from prometheus_client import CollectorRegistry, PlatformCollector, ProcessCollector, make_wsgi_app

from schemas.errors import UsageError
from sql.telemetry.health import Health, Verdict, is_alive, is_ready

_StartResponse = Callable[[str, list[tuple[str, str]]], Any]
_JSON = (("Content-Type", "application/json"),)


def new_registry() -> CollectorRegistry:
    """With what every process tells: CPU, memory, open files, the Python it runs on."""
    registry = CollectorRegistry()
    ProcessCollector(registry=registry)
    PlatformCollector(registry=registry)
    return registry


class TelemetryServer:
    """Serves from a thread until it is closed; `port` 0: any free one. Raises UsageError: the port is taken."""

    def __init__(self, registry: CollectorRegistry, health: Health, port: int, host: str = "127.0.0.1") -> None:
        metrics = make_wsgi_app(registry)

        def application(environ: dict[str, Any], start_response: _StartResponse) -> Iterable[bytes]:
            match environ.get("PATH_INFO"):
                case "/metrics":
                    answer: Iterable[bytes] = metrics(environ, start_response)
                    return answer
                case "/healthz":
                    return _answer(start_response, health(), is_alive)
                case "/readyz":
                    return _answer(start_response, health(), is_ready)
            start_response("404 Not Found", [*_JSON])
            return [b'{"title":"Not Found"}\n']

        try:
            self._server = make_server(host, port, application, WSGIServer, _Quiet)
        except OSError as error:
            raise UsageError(f"TIDEMARK_METRICS_PORT={port} of {host}: {error.strerror or error}") from None
        self.port: int = self._server.server_port
        self._thread = threading.Thread(target=self._server.serve_forever, name="telemetry", daemon=True)
        self._thread.start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(timeout=5)

    def __enter__(self) -> "TelemetryServer":
        return self

    def __exit__(self, *_: type[BaseException] | BaseException | TracebackType | None) -> None:
        self.close()


class _Quiet(WSGIRequestHandler):
    timeout = 5  # a client that says nothing holds the one thread up no longer

    def log_message(self, *_: Any) -> None:
        """A scrape every few seconds is no news."""


def _answer(start_response: _StartResponse, verdict: Verdict, is_good: Callable[[Verdict], bool]) -> Iterable[bytes]:
    start_response("200 OK" if is_good(verdict) else "503 Service Unavailable", [*_JSON])
    return [json.dumps(verdict._asdict()).encode() + b"\n"]
