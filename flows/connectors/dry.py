"""Takes everything and sends nothing: for benchmarks, and for trying a campaign out."""

import asyncio
from collections.abc import Mapping

from flows.connectors.kind import Kind
from flows.sending.outgoing import Outcome, Outgoing, Refused, Taken
from schemas.errors import UsageError


class Dry:
    def __init__(self, connection: Mapping[str, str], _timeout_s: float) -> None:
        latency = connection.get("latency_ms", "0")
        if not (latency.isascii() and latency.isdigit() and len(latency) <= 5):
            raise UsageError("latency_ms: from 0 to 99999")
        self._latency_s = int(latency) / 1000

    async def send(self, message: Outgoing) -> Outcome:
        if self._latency_s:
            await asyncio.sleep(self._latency_s)
        return Taken(f"dry-{message.key}")

    async def look_up(self, _message: Outgoing) -> Taken | Refused | None:
        return None

    async def close(self) -> None:
        """Nothing is open."""


KIND = Kind(
    name="dry",
    channels=("whatsapp", "sms", "email", "push", "webpush", "in_app", "fax", "webhook"),
    make=Dry,
    may=("latency_ms", "reports_as"),
)
