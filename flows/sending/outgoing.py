"""What the sender asks of a connector: one message in, one outcome out."""

from enum import Enum
from typing import Protocol

from msgspec import Struct

from schemas.echo import write_echo


class Reaction(Enum):
    """What the sender does about a refusal; each provider's file has the table of its codes."""

    RETRY = "retry"
    THROTTLED = "throttled"
    """Retry, and go slower: the provider says that it is too much."""
    FALLBACK = "fallback"
    """Not by this channel: the fallback, if there is one, else given up."""
    SUPPRESS = "suppress"
    """Not this person again by this channel."""
    FAIL = "fail"
    """Not this message; the next may be fine."""
    STOP = "stop"
    """No message of this campaign will do better: pause it."""
    PAGE = "page"
    """Nothing by this provider will do better until a person has seen to it."""


class Outgoing(Struct, gc=False, kw_only=True):
    """A message that is to be handed over; `sent_at` and `attempt` are those of its intent."""

    campaign_id: str
    seq: int
    attempt: int
    sent_at: int
    to: str
    sender: str
    template: str = ""
    language: str = ""
    text: str = ""
    subject: str = ""
    html: str = ""
    parameters: tuple[str, ...] = ()
    expires_s: int = 0
    """From now; 0: the provider's own."""

    @property
    def echo(self) -> str:
        return write_echo(self.campaign_id, self.seq, self.attempt, self.sent_at)

    @property
    def key(self) -> str:
        """The idempotency key: the same whenever the same attempt is made again."""
        return f"{self.campaign_id}-{self.seq}-{self.attempt}"


class Taken(Struct, frozen=True, gc=False):
    """The provider has it."""

    provider_message_id: str


class Refused(Struct, frozen=True, gc=False):
    """The provider does not have it, and said so, or was never reached.

    `ails`: the provider itself is in trouble, which the circuit breaker counts.
    """

    code: str
    reaction: Reaction
    detail: str = ""
    retry_after_s: float = 0.0
    ails: bool = False


class Unknown(Struct, frozen=True, gc=False):
    """Handed over, and no answer that tells: the provider may have it."""

    why: str


Outcome = Taken | Refused | Unknown


class Connector(Protocol):
    """One provider, used in one event loop. What it raises is a bug: every answer is an outcome."""

    async def send(self, message: Outgoing) -> Outcome: ...

    async def look_up(self, message: Outgoing) -> Taken | Refused | None:
        """Whether the provider has this attempt, by our ids; None where it can't tell."""

    async def close(self) -> None: ...
