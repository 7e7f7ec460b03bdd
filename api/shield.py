"""Before any route: limits on requests and their bodies, and on every answer the headers that browsers protect by.

`limits`' sliding window counter, in memory, for each address: a process of its own counts for itself.
"""

from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

from limits import RateLimitItemPerMinute
from limits.storage import MemoryStorage
from limits.strategies import SlidingWindowCounterRateLimiter
from starlette.datastructures import MutableHeaders
from starlette.exceptions import HTTPException

from api.problems import Problem, answer

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Any]]
Send = Callable[[Any], Awaitable[None]]

CONTENT_SECURITY_POLICY = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "img-src 'self' data:",
        "connect-src 'self'",
        "base-uri 'none'",
        "form-action 'self'",
        "frame-ancestors 'none'",
    )
)
_HEADERS = {
    "Content-Security-Policy": CONTENT_SECURITY_POLICY,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",  # a share link's address opens it
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
}
_LIMITED = "/api/"
_LONGEST_PATH = 2_000
MOST_BODY_BYTES = 64 << 10
"""FastAPI reads a body before it asks who sends it. Webhooks have limits of their own."""
_TOO_LARGE = f"The request is larger than {MOST_BODY_BYTES:,} bytes"
_CLOSE = {"Connection": "close"}


class Shield:
    """ASGI middleware. `per_minute`: requests to /api from each address."""

    def __init__(self, app: Any, per_minute: int) -> None:
        self._app = app
        self._limit = RateLimitItemPerMinute(per_minute)
        self._limiter = SlidingWindowCounterRateLimiter(MemoryStorage())

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        async def protected(message: Any) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in _HEADERS.items():
                    headers.setdefault(name, value)
                if scope["path"].startswith(_LIMITED):
                    headers.setdefault("Cache-Control", "no-store")
            await send(message)

        if len(scope["path"]) > _LONGEST_PATH:
            await answer(Problem(title="The address is too long", status=422))(scope, receive, protected)
        elif _announced_bytes(scope) > MOST_BODY_BYTES:
            await answer(Problem(title=_TOO_LARGE, status=413), _CLOSE)(scope, receive, protected)
        elif scope["path"].startswith(_LIMITED) and not self._limiter.hit(self._limit, _who(scope)):
            problem = Problem(title="Too many requests", status=429, detail=str(self._limit))
            await answer(problem, {"Retry-After": "10"})(scope, receive, protected)
        else:
            await self._app(scope, _bounded(receive), protected)


def _announced_bytes(scope: Scope) -> int:
    """0 where it comes in parts of which nobody knows how many."""
    announced: bytes = dict(scope["headers"]).get(b"content-length", b"")
    return int(announced) if announced.isdigit() else 0


def _bounded(receive: Receive) -> Receive:
    """Raises HTTPException 413, which FastAPI lets pass while it reads a body."""
    read = 0

    async def bounded() -> Any:
        nonlocal read
        message = await receive()
        read += len(message.get("body", b""))
        if read > MOST_BODY_BYTES:
            raise HTTPException(413, _TOO_LARGE, _CLOSE)
        return message

    return bounded


def _who(scope: Scope) -> str:
    """The address: a key's name could be made up anew with each request."""
    return scope["client"][0] if scope.get("client") else ""
