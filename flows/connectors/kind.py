"""What a connector's file declares of itself."""

from collections.abc import Callable, Mapping

from msgspec import Struct

from flows.sending.outgoing import Connector
from schemas.errors import UsageError


class Kind(Struct, frozen=True, kw_only=True):
    """`needs` and `may` are the fields under `connection`.

    `reports_as` is the provider's name in outbound records and status events, which must be one.
    """

    name: str
    channels: tuple[str, ...]
    make: Callable[[Mapping[str, str], float], Connector]
    """From connection and timeout, seconds; connects to nothing yet."""
    needs: tuple[str, ...] = ()
    may: tuple[str, ...] = ()
    reports_as: str = ""
    idempotent: bool = False
    """The same key twice is one message."""
    looks_up: tuple[str, ...] = ()
    """It can be asked for a message by our ids where all these fields are given; none: never."""

    def check(self, connection: Mapping[str, str]) -> None:
        """Raises UsageError."""
        for name in self.needs:
            if not connection.get(name):
                raise UsageError(f"{name} is missing")
        for name in connection:
            if name not in (*self.needs, *self.may) and not name.startswith("header_"):
                raise UsageError(f"{name}: {self.name} knows {', '.join((*self.needs, *self.may))}")
        self.make(connection, 1.0)

    def reported(self, connection: Mapping[str, str]) -> str:
        return connection.get("reports_as") or self.reports_as or self.name

    def can_look_up(self, connection: Mapping[str, str]) -> bool:
        return bool(self.looks_up) and all(connection.get(name) for name in self.looks_up)
