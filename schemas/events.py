"""The records of the topics `webhook`, `status.*` and `dlq.*`. All times are UTC milliseconds since the epoch."""

from typing import Annotated

from msgspec import Meta, Struct

from schemas.statuses import Status

Milliseconds = Annotated[int, Meta(ge=0, le=2**53)]
CampaignId = Annotated[str, Meta(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$")]
MessageKey = Annotated[int, Meta(ge=0, le=2**63 - 1)]
Attempt = Annotated[int, Meta(ge=1, le=255)]
Token = Annotated[str, Meta(max_length=128)]
"""A short name: a provider, a sender number, an error code."""
Reference = Annotated[str, Meta(max_length=512)]
"""A foreign id: a provider's message id, a recipient."""


class Envelope(Struct, frozen=True, gc=False, omit_defaults=True, kw_only=True):
    """One HTTP request of a provider, byte-exact, as the receiver took it.

    `body` holds the text, or `body_base64` any bytes that are not UTF-8. `receipt_id` is unique per request: the same
    status under another receipt is the provider's repeat, under the same one our own replay.
    """

    receipt_id: Reference
    provider: Token
    received_at: Milliseconds
    method: str = "POST"
    url: str = ""
    headers: dict[str, str] = {}
    content_type: str = ""
    body: str | None = None
    body_base64: str | None = None


class StatusEvent(Struct, frozen=True, gc=False, omit_defaults=True, kw_only=True):
    """One message reached one status, once.

    A message is `(campaign_id, message_key)`; both are absent where the provider did not echo them, and then
    `(provider, provider_message_id)` is matched against outbound records.
    """

    campaign_id: CampaignId | None = None
    message_key: MessageKey | None = None
    attempt: Attempt = 1
    status: Status
    raw_status: Token | None = None
    event_time: Milliseconds
    received_at: Milliseconds
    sent_at: Milliseconds | None = None
    channel: Token | None = None
    provider: Token
    sender: Token | None = None
    template: Token | None = None
    country: Token | None = None
    provider_message_id: Reference | None = None
    provider_event_id: Reference | None = None
    recipient: Reference | None = None
    error_code: Token | None = None
    receipt_id: Reference | None = None


class DeadLetter(Struct, frozen=True, gc=False, omit_defaults=True, kw_only=True):
    """A record that could not be used, why, and where it came from.

    `payload` is the record itself, or `payload_base64` where it is not UTF-8; one larger than
    `PAYLOAD_LIMIT_BYTES` is cut there and `payload_bytes` says how large it was: the origin still holds it whole.
    """

    reason: str
    detail: str = ""
    topic: str
    partition: int
    offset: int
    line: int = 0
    failed_at: Milliseconds
    provider: str | None = None
    received_at: int | None = None
    receipt_id: str | None = None
    payload: str | None = None
    payload_base64: str | None = None
    payload_bytes: int


PAYLOAD_LIMIT_BYTES = 256 * 1024
