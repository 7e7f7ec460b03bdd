"""A receiver called as its server calls it, and what it left in the topic."""

import asyncio
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import urlsplit

import msgspec

from api.webhooks.receiver import Receiver
from flows.topics import list_partitions, open_reader
from schemas.errors import TopicError
from schemas.events import Envelope
from schemas.settings import Settings
from schemas.topics import WEBHOOK

_envelopes = msgspec.json.Decoder(Envelope)


class Heard(NamedTuple):
    status: int
    headers: dict[str, str]
    body: str


def settings(folder: Path, **fields: Any) -> Settings:
    return Settings(broker=f"file://{folder / 'topics'}", **fields)


class Caller:
    """Requests to one receiver, one after another, in an event loop of its own."""

    def __init__(self, receiver: Receiver) -> None:
        self.runner = asyncio.Runner()
        self.receiver = receiver

    def get(self, url: str, headers: Mapping[str, str] | None = None) -> Heard:
        return self.request("GET", url, b"", headers)

    def post(self, url: str, body: bytes = b"", headers: Mapping[str, str] | None = None, **fields: Any) -> Heard:
        return self.request("POST", url, body, headers, **fields)

    def request(
        self,
        method: str,
        url: str,
        body: bytes = b"",
        headers: Mapping[str, str] | None = None,
        chunk: int = 1 << 20,
    ) -> Heard:
        return self.runner.run(heard(self.receiver, method, url, body, headers or {}, chunk))


async def heard(
    receiver: Callable[..., Awaitable[None]],
    method: str,
    url: str,
    body: bytes = b"",
    headers: Mapping[str, str] | None = None,
    chunk: int = 1 << 20,
) -> Heard:
    """What it answers; the body comes in chunks."""
    parts = urlsplit(url)
    said = [(name.lower().encode(), text.encode("latin-1")) for name, text in (headers or {}).items()]
    scope = {"type": "http", "method": method, "path": parts.path, "raw_path": parts.path.encode(), "scheme": "https"}
    scope |= {"query_string": parts.query.encode(), "headers": [(b"host", parts.netloc.encode()), *said]}
    pieces = [body[at : at + chunk] for at in range(0, len(body), chunk)] or [b""]
    coming = iter([{"type": "http.request", "body": piece, "more_body": True} for piece in pieces[:-1]])
    last = {"type": "http.request", "body": pieces[-1], "more_body": False}
    sent: list[dict[str, Any]] = []

    async def receive() -> dict[str, Any]:
        return next(coming, last)

    async def send(message: dict[str, Any]) -> None:
        sent.append(message)

    await receiver(scope, receive, send)
    start, answer = sent
    return Heard(
        start["status"],
        {name.decode(): text.decode() for name, text in start["headers"]},
        answer["body"].decode(),
    )


@contextmanager
def calling(settings: Settings, **parts: Any) -> Iterator[Caller]:
    """A caller whose receiver is stopped in order."""
    caller = Caller(Receiver(settings, **parts))
    try:
        yield caller
        caller.runner.run(caller.receiver.stop())
    finally:
        caller.runner.close()


def taken(settings: Settings) -> list[Envelope]:
    """All that is in the topic."""
    try:
        partitions = list_partitions(settings, WEBHOOK)
    except TopicError:
        return []
    reader = open_reader(settings, WEBHOOK, partitions, None, "tests")
    try:
        found: list[Envelope] = []
        while records := reader.poll(1 << 24, 0.05 if settings.broker.startswith("file:") else 1.0):
            found += [_envelopes.decode(line) for record in records for line in record.value.splitlines()]
        return found
    finally:
        reader.close()
