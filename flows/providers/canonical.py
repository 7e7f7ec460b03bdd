"""Our own format, for senders and gateways that have no file here.

A body is a status event, an array of them, or `{"events": […]}`. An event has the fields of `StatusEvent` except
`receipt_id` and `received_at`; `provider` (default `canonical`) and `event_time` (default: the receive time) may be
left out.
"""

import base64
import hmac
from collections.abc import Sequence

import msgspec
from msgspec import UNSET, Struct, UnsetType

from flows.providers.bodies import Reason, body_text, decode_json
from flows.providers.json_rows import NOT_NULL, NUMBER, STRANGE, TEXT, JsonRows
from flows.providers.provider import Columns, Provider, Request, Shortcut
from flows.providers.signing import Hook, Signed, Verdict, same, verdict
from schemas.errors import BadRecord
from schemas.events import Attempt, CampaignId, MessageKey, Milliseconds, Reference, Token
from schemas.statuses import Status

NAME = "canonical"
_HEADERS = ("webhook-id", "webhook-timestamp", "webhook-signature")
_WINDOW_S = 300


class Event(Struct, gc=False, kw_only=True):
    """A `StatusEvent` as others write it: its status may be one that we don't know."""

    campaign_id: CampaignId | None = None
    message_key: MessageKey | None = None
    attempt: Attempt = 1
    status: Token
    raw_status: Token | None = None
    event_time: Milliseconds | None = None
    sent_at: Milliseconds | None = None
    channel: Token | None = None
    provider: Token = NAME
    sender: Token | None = None
    template: Token | None = None
    country: Token | None = None
    provider_message_id: Reference | None = None
    provider_event_id: Reference | None = None
    recipient: Reference | None = None
    error_code: Token | None = None


class _Wrapped(Struct, gc=False):
    events: list[Event] | UnsetType = UNSET


_arrays = msgspec.json.Decoder(list[Event])
_wrapped = msgspec.json.Decoder(_Wrapped)
_single = msgspec.json.Decoder(Event)


def parse(request: Request) -> list[Event]:
    """The events of the body, in order; one that names no message, or half of one, is a BadRecord."""
    events = _decode(body_text(request))
    for place, event in enumerate(events):
        if (event.campaign_id is None) != (event.message_key is None):
            raise BadRecord(Reason.WRONG_SHAPE, f"event {place}: campaign_id and message_key come together")
        if event.campaign_id is None and event.provider_message_id is None:
            raise BadRecord(Reason.WRONG_SHAPE, f"event {place}: neither campaign_id nor provider_message_id")
    return events


def _decode(text: str) -> list[Event]:
    if text.lstrip()[:1] == "[":
        return decode_json(_arrays, text)
    events = decode_json(_wrapped, text).events
    return [decode_json(_single, text)] if events is UNSET else events


def columns(events: Sequence[Event]) -> Columns:
    """The raw status is what the sender says it is, else the status as the sender wrote it."""
    fields = zip(*map(msgspec.structs.astuple, events), strict=True)
    named: dict[str, Sequence[object]] = dict(zip(Event.__struct_fields__, fields, strict=True))
    named["raw_status"] = [event.status if event.raw_status is None else event.raw_status for event in events]
    return named


_FIELDS = {
    "status": TEXT + NOT_NULL,
    "campaign_id": TEXT,
    "message_key": NUMBER,
    "attempt": NUMBER + NOT_NULL,
    "raw_status": TEXT,
    "event_time": NUMBER,
    "sent_at": NUMBER,
    "channel": TEXT,
    "provider": TEXT + NOT_NULL,
    "sender": TEXT,
    "template": TEXT,
    "country": TEXT,
    "provider_message_id": TEXT,
    "provider_event_id": TEXT,
    "recipient": TEXT,
    "error_code": TEXT,
}
_SHORTCUTS = [
    Shortcut(
        rows=JsonRows(path, _FIELDS | {"events": STRANGE}, required=1),
        fields={name: name for name in _FIELDS} | {"raw_status": ("raw_status", "status")},
    )
    for path in ("", "events[]")
]


def key(secret: str) -> bytes:
    """`whsec_` and base64, as Standard Webhooks writes secrets."""
    return base64.b64decode(secret.removeprefix("whsec_"), validate=True)


def verify(signed: Signed, keys: Sequence[bytes]) -> Verdict:
    """Standard Webhooks: HMAC-SHA256 over id, time and body; one of several signatures must hold, for five minutes.

    https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md
    """
    named, stamp, given = (signed.headers.get(name, "") for name in _HEADERS)
    if not (stamp.isascii() and stamp.isdigit() and len(stamp) < 16 and abs(signed.now_s - int(stamp)) <= _WINDOW_S):
        return Verdict.WRONG
    said = f"{named}.{stamp}.".encode() + signed.body
    wanted = ["v1," + base64.b64encode(hmac.digest(key, said, "sha256")).decode() for key in keys]
    return verdict(any(same(text, signature) for text in wanted for signature in given.split(" ")))


CANONICAL = Provider(
    name=NAME,
    statuses={status.value: status for status in Status},
    parse=parse,
    columns=columns,
    shortcuts=_SHORTCUTS,
    hook=Hook(verify=verify, key=key, headers=_HEADERS, max_body_bytes=8 << 20),
)
