"""A message on its way through the sender."""

from typing import Any

from msgspec import Struct

from flows.sending.outgoing import Outgoing


class Message(Struct, gc=False):
    """One row of the audience, from being rendered until its outcome is durable. Times are UTC milliseconds."""

    seq: int
    row: dict[str, Any]
    to: str
    country: str
    zone: str
    language: str
    variant: str = ""
    text: str = ""
    subject: str = ""
    html: str = ""
    parameters: tuple[str, ...] = ()
    other_to: str = ""
    """The address of the fallback; empty where there is none, or no consent for it."""
    route: int = 0
    attempt: int = 1
    tries: int = 0
    first_at: int = 0
    queued_at: float = 0.0
    """Monotonic seconds."""
    repeats: int = 0
    """When it is handed over again under the same key: the first time's `sent_at`; else 0."""
    outgoing: Outgoing | None = None
