"""The answers, made once: none says more than its status, so that nobody learns why a signature failed."""

from collections.abc import Awaitable, Callable, Iterable, MutableMapping
from http import HTTPStatus
from typing import Any

from msgspec import Struct

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]

RETRY_AFTER_S = 5


class Answer(Struct, frozen=True, eq=False):
    """Its two messages."""

    start: dict[str, Any]
    body: dict[str, Any]


def answer(status: int, text: bytes = b"", headers: Iterable[tuple[bytes, bytes]] = ()) -> Answer:
    about = [(b"content-length", b"%d" % len(text)), *headers]
    if text:
        about.append((b"content-type", b"text/plain; charset=utf-8"))
    return Answer(
        {"type": "http.response.start", "status": int(status), "headers": about},
        {"type": "http.response.body", "body": text},
    )


DURABLE = answer(HTTPStatus.OK)
WRONG_SIGNATURE = answer(HTTPStatus.UNAUTHORIZED)
NOT_SET_UP = answer(HTTPStatus.FORBIDDEN)
UNKNOWN_PROVIDER = answer(HTTPStatus.NOT_FOUND)
TOO_LARGE = answer(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, headers=[(b"connection", b"close")])
TOO_SLOW = answer(HTTPStatus.REQUEST_TIMEOUT, headers=[(b"connection", b"close")])
WRONG_TYPE = answer(HTTPStatus.UNSUPPORTED_MEDIA_TYPE)
NOT_NOW = answer(HTTPStatus.SERVICE_UNAVAILABLE, headers=[(b"retry-after", b"%d" % RETRY_AFTER_S)])
