"""HTTP requests of an ASGI application, counted: by kind, provider of the webhook, and code; live pages while open."""

import time
from collections.abc import Awaitable, Callable, Collection, MutableMapping
from typing import Any

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Application = Callable[[Scope, Receive, Send], Awaitable[None]]

LIVE = "live"
_BUCKETS_S = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0)
NAMES = frozenset(
    {"tidemark_http_requests_total", "tidemark_http_open"}
    | {f"tidemark_http_seconds_{part}" for part in ("bucket", "sum", "count")}
)
"""All that it exports."""
_NO_BODY = (b"content-length", b"0")


class Counted:
    """`application`, its requests counted in `registry`; `providers` are the only names that become labels."""

    def __init__(self, application: Application, registry: CollectorRegistry, providers: Collection[str]) -> None:
        self._application = application
        self._providers = providers
        self._children: dict[tuple[Any, tuple[str, ...]], Any] = {}
        self._requests = Counter(
            "tidemark_http_requests", "Requests answered", ["kind", "provider", "code"], registry=registry
        )
        self._open = Gauge(
            "tidemark_http_open",
            "Requests under way; of live pages: viewers",
            ["kind"],
            registry=registry,
            multiprocess_mode="livesum",
        )
        self._seconds = Histogram(
            "tidemark_http_seconds",
            "Time until a request was answered, live pages aside",
            ["kind"],
            registry=registry,
            buckets=_BUCKETS_S,
        )

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._application(scope, receive, send)
            return
        kind, provider = self._kind(scope["path"])
        code = "none"
        counted = False

        async def sending(message: Message) -> None:
            nonlocal code
            # Counted before it goes out: whoever has the answer finds it counted. Without a body the head is all of it.
            if message["type"] == "http.response.start":
                code = str(message["status"])
                if _NO_BODY in message.get("headers", ()):
                    count()
            elif message["type"] == "http.response.body" and not message.get("more_body"):
                count()
            await send(message)

        def count() -> None:
            nonlocal counted
            if counted:
                return
            counted = True
            under_way.dec()
            self._child(self._requests, kind, provider, code).inc()
            if kind != LIVE:
                self._child(self._seconds, kind).observe(time.monotonic() - started)

        started = time.monotonic()
        under_way: Gauge = self._child(self._open, kind)
        under_way.inc()
        try:
            await self._application(scope, receive, sending)
        finally:
            count()

    def _child(self, metric: Any, *labels: str) -> Any:
        """Looked up once: the library's own look-up was a third of what counting cost."""
        found = self._children.get((metric, labels))
        if found is None:
            found = self._children[metric, labels] = metric.labels(*labels)
        return found

    def _kind(self, path: str) -> tuple[str, str]:
        """Few, whatever is asked for: each makes a series."""
        first, _, rest = path.removeprefix("/").partition("/")
        if first == "webhooks":
            provider = rest.partition("/")[0]
            return first, provider if provider in self._providers else "unknown"
        if path.endswith("/live"):
            return LIVE, ""
        return ("api" if first == "api" else "page"), ""
