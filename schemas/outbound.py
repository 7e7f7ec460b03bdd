"""The records of the topic `outbound`: what a sender says of a campaign and of each message.

Written by our sender, by `loadgen` and by other people's senders. `at` is when it happened, UTC milliseconds.
A message record without `message_key` comes from a sender that numbers nothing: the place of its first record
in the topic becomes the key.
"""

from typing import Annotated, Literal

from msgspec import Meta, Struct

from schemas.events import Attempt, CampaignId, MessageKey, Milliseconds, Reference, Token

ScreenReason = Literal["suppressed", "capped", "expired", "invalid", "duplicate", "unrenderable", "cancelled"]
Count = Annotated[int, Meta(ge=0, le=2**53)]


class Outbound(Struct, frozen=True, gc=False, omit_defaults=True, kw_only=True, tag_field="type"):
    """What every outbound record has."""

    at: Milliseconds
    campaign_id: CampaignId


class Campaign(Outbound, tag="campaign", frozen=True, kw_only=True):
    """A campaign's frozen plan. The latest record of an id holds."""

    name: Annotated[str, Meta(max_length=256)]
    channel: Token
    audience: Count
    frozen_at: Milliseconds
    limit_per_s: float | None = None
    sla_p95_ms: Count | None = None
    prices: dict[str, float] = {}
    """Cost of one message by country code, `""` for all others."""


class Progress(Outbound, tag="progress", frozen=True, kw_only=True):
    """The sender's own second: what it was allowed, what it achieved, what held it back."""

    allowed_per_s: float
    achieved_per_s: float
    slower_because: Token = ""
    queue: Count = 0
    in_flight: Count = 0


class MessageRecord(Outbound, frozen=True, kw_only=True):
    """What every record about one message has; dimensions may be left out after the first record that gave them."""

    message_key: MessageKey | None = None
    attempt: Attempt = 1
    channel: Token | None = None
    provider: Token | None = None
    sender: Token | None = None
    template: Token | None = None
    country: Token | None = None
    recipient: Reference | None = None


class Screened(MessageRecord, tag="screened", frozen=True, kw_only=True):
    """Not sent, on purpose."""

    reason: ScreenReason


class Intent(MessageRecord, tag="intent", frozen=True, kw_only=True):
    """About to be handed to the provider: without an outcome the message is in flight."""

    sent_at: Milliseconds


class Accepted(MessageRecord, tag="accepted", frozen=True, kw_only=True):
    """The provider took it: also the status event `accepted`."""

    sent_at: Milliseconds
    provider: Token
    provider_message_id: Reference | None = None


class Rejected(MessageRecord, tag="rejected", frozen=True, kw_only=True):
    """The provider refused it: also the status event `rejected`. Not `final`: it will be tried again."""

    sent_at: Milliseconds
    provider: Token
    error_code: Token
    final: bool = True


class InDoubt(MessageRecord, tag="in_doubt", frozen=True, kw_only=True):
    """The outcome is unknown (a timeout, a crash): neither sent again nor given up."""

    sent_at: Milliseconds | None = None


class Settled(MessageRecord, tag="settled", frozen=True, kw_only=True):
    """A doubt resolved: `sent` (the provider has it) or `lost` (it never arrived there)."""

    outcome: Literal["sent", "lost"]
    sent_at: Milliseconds | None = None
    provider_message_id: Reference | None = None


AnyOutbound = Campaign | Progress | Screened | Intent | Accepted | Rejected | InDoubt | Settled
MESSAGE_RECORDS = (Screened, Intent, Accepted, Rejected, InDoubt, Settled)
