"""Meta's WhatsApp Cloud API: `entry[].changes[].value.statuses[]`, up to 1,000 statuses in a body.

Format: https://developers.facebook.com/documentation/business-messaging/whatsapp/webhooks/reference/messages/status
There is no event id: (id, status, recipient) names an event.
"""

import hmac
from collections.abc import Sequence
from typing import Annotated
from urllib.parse import parse_qsl

import msgspec
from msgspec import Meta, Raw, Struct

from flows.providers.bodies import body_text, decode_json
from flows.providers.json_rows import COUNT, FIRST_OF_LIST, NOT_NULL, STRANGE, TEXT, JsonRows
from flows.providers.provider import ECHO, Columns, Provider, Request, Shortcut, column
from flows.providers.signing import Hook, Signed, Verdict, query_in, same, verdict
from schemas.statuses import Status

_FIELD = "messages"
# Under the same field, and with a `failed` of their own, but about money or a call.
_OTHER_TYPES = frozenset({"payment", "call"})


class _Error(Struct, gc=False):
    code: int | str | None = None


class _Status(Struct, gc=False):
    id: str
    status: str
    timestamp: Annotated[int, Meta(ge=0, le=2**53)] | None = None
    recipient_id: str | None = None
    recipient_user_id: str | None = None
    recipient_type: str | None = None
    recipient_participant_id: str | None = None
    recipient_participant_user_id: str | None = None
    biz_opaque_callback_data: str | None = None
    errors: list[_Error] | None = None
    type: str | None = None


class _Value(Struct, gc=False):
    statuses: list[_Status] | None = None


class _Change(Struct, gc=False):
    value: _Value
    field: str


class _Entry(Struct, gc=False):
    changes: list[_Change] = []


class _Body(Struct, gc=False):
    entry: list[_Entry] = []


class _RawChange(Struct, gc=False):
    field: str
    value: Raw = Raw(b"{}")


class _RawEntry(Struct, gc=False):
    changes: list[_RawChange] = []


class _RawBody(Struct, gc=False):
    entry: list[_RawEntry] = []


# Not strict: the timestamp is a string in most payloads and a number in some.
_bodies = msgspec.json.Decoder(_Body, strict=False)
_raw_bodies = msgspec.json.Decoder(_RawBody)
_values = msgspec.json.Decoder(_Value, strict=False)


def parse(request: Request) -> list[_Status]:
    """The statuses of outbound messages; inbound messages and other fields give none. Raises BadRecord."""
    text = body_text(request)
    try:
        body = _bodies.decode(text)
    except (msgspec.MsgspecError, RecursionError):
        body = _decode_apart(text)
    statuses = []
    for entry in body.entry:
        for change in entry.changes:
            if change.field == _FIELD and change.value.statuses:
                statuses += [status for status in change.value.statuses if status.type not in _OTHER_TYPES]
    return statuses


def _decode_apart(text: str) -> _Body:
    """The slow way: what the value of another field looks like is none of our business."""
    entries = decode_json(_raw_bodies, text).entry
    changes = [change for entry in entries for change in entry.changes if change.field == _FIELD]
    return _Body([_Entry([_Change(decode_json(_values, change.value), _FIELD) for change in changes])])


def columns(statuses: Sequence[_Status]) -> Columns:
    return {
        "raw_status": [status.status for status in statuses],
        "event_time": column("event_time", [status.timestamp for status in statuses]) * 1000,
        "provider_message_id": [status.id for status in statuses],
        "recipient": [_in_group(status) if status.recipient_type else _person(status) for status in statuses],
        "error_code": [_error_code(status.errors[0]) if status.errors else None for status in statuses],
        "echo": [status.biz_opaque_callback_data for status in statuses],
    }


def _in_group(status: _Status) -> str | None:
    """The member of the group that acted: there `recipient_id` is the group."""
    if status.recipient_type == "group":
        return status.recipient_participant_id or status.recipient_participant_user_id
    return _person(status)


def _person(status: _Status) -> str | None:
    """Who hides the number has only a user id."""
    return status.recipient_user_id if status.recipient_id is None else status.recipient_id


def _error_code(error: _Error) -> str | None:
    return None if error.code is None else str(error.code)


_SHORTCUT = Shortcut(
    rows=JsonRows(
        "entry[].changes[].value.statuses[]",
        {
            "id": TEXT + NOT_NULL,
            "status": TEXT + NOT_NULL,
            "timestamp": COUNT,
            "recipient_id": TEXT,
            "biz_opaque_callback_data": TEXT,
            "errors": FIRST_OF_LIST,
            "recipient_user_id": TEXT,
            "type": STRANGE,
            "recipient_type": STRANGE,
            "recipient_participant_id": STRANGE,
            "recipient_participant_user_id": STRANGE,
        },
        required=2,
        guard=(2, "field", _FIELD),
        inner="code",
    ),
    fields={
        "raw_status": "status",
        "event_time": "timestamp",
        "provider_message_id": "id",
        "recipient": ("recipient_id", "recipient_user_id"),
        "error_code": "errors",
        ECHO: "biz_opaque_callback_data",
    },
    ms_per_time=1000,
)


class VerifyToken(Struct, frozen=True):
    """A secret good for the GET that proves the address is ours, and for nothing else: it travels in the URL."""

    text: str


def key(secret: str) -> bytes | VerifyToken:
    token = secret.removeprefix("verify:")
    return secret.encode() if token == secret else VerifyToken(token)


def verify(signed: Signed, keys: Sequence[bytes | VerifyToken]) -> Verdict:
    """`X-Hub-Signature-256`: sha256= and the HMAC-SHA256 of the raw body by the app secret, in hexadecimal.

    https://developers.facebook.com/docs/graph-api/webhooks/getting-started#event-notifications
    """
    if signed.method == "GET":
        return verdict(_knows_token(_asked(signed).get("hub.verify_token", ""), keys))
    given = signed.headers.get("x-hub-signature-256", "").encode()
    for key in keys:
        if isinstance(key, bytes) and hmac.compare_digest(given, _signature(key, signed.body)):
            return Verdict.VALID
    return Verdict.WRONG


def _signature(key: bytes, body: bytes) -> bytes:
    return b"sha256=" + hmac.digest(key, body, "sha256").hex().encode()


def _knows_token(token: str, keys: Sequence[bytes | VerifyToken]) -> bool:
    return any(same(token, key.decode() if isinstance(key, bytes) else key.text) for key in keys)


def challenge(signed: Signed) -> str | None:
    """https://developers.facebook.com/docs/graph-api/webhooks/getting-started#verification-requests"""
    asked = _asked(signed)
    return asked.get("hub.challenge") if asked.get("hub.mode") == "subscribe" else None


def _asked(signed: Signed) -> dict[str, str]:
    return dict(parse_qsl(query_in(signed.url)))


META_WHATSAPP = Provider(
    name="meta_whatsapp",
    statuses={
        "sent": Status.SENT,
        "delivered": Status.DELIVERED,
        "read": Status.READ,
        "played": Status.READ,
        "failed": Status.FAILED,
    },
    parse=parse,
    columns=columns,
    shortcuts=[_SHORTCUT],
    hook=Hook(
        verify=verify,
        key=key,
        headers=("x-hub-signature-256",),
        methods=("POST", "GET"),
        max_body_bytes=3 << 20,
        challenge=challenge,
    ),
)
