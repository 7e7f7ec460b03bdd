"""One HTTP request and its answer, whichever client carries them."""

from collections.abc import Mapping
from typing import Any, Protocol

import msgspec
from msgspec import Struct

JSON = ("content-type", "application/json")


class Call(Struct, gc=False):
    """One HTTP request."""

    url: str
    body: bytes = b""
    headers: tuple[tuple[str, str], ...] = ()
    method: str = "POST"


class Answer(Struct, gc=False):
    """Headers are asked for by names in lower case."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    def json(self) -> Any:
        """The body, or None where it is no JSON."""
        try:
            return msgspec.json.decode(self.body)
        except (msgspec.DecodeError, RecursionError):
            return None


class NotSentError(Exception):
    """There was no connection: nothing of the request has left."""


class NoAnswerError(Exception):
    """The request left, wholly or in part, and no answer tells what became of it."""


class Client(Protocol):
    """Used in one event loop."""

    async def exchange(self, call: Call) -> Answer:
        """Raises NotSentError, NoAnswerError; ValueError for what is no request."""

    async def close(self) -> None: ...
