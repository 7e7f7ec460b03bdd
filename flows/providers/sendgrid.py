"""SendGrid's event webhook: an array of events, up to 768 KB of them, our custom arguments flattened into each.

Format: https://www.twilio.com/docs/sendgrid/for-developers/tracking-events/event
Three copies of a post are common. `sg_event_id` names an event, but not alone: the documentation itself repeats one.
"""

import base64
import re
from collections.abc import Iterator, Sequence

import msgspec
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ec import ECDSA, EllipticCurvePublicKey
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import load_der_public_key
from msgspec import Struct

from flows.providers.bodies import body_text, decode_json
from flows.providers.fields import epoch_ms, text_of
from flows.providers.provider import Provider, Reported, Request, Resolved, reported_columns
from flows.providers.signing import Hook, Signed, Verdict, verdict
from schemas.statuses import Status

_SIGNATURE = "x-twilio-email-event-webhook-signature"
_TIMESTAMP = "x-twilio-email-event-webhook-timestamp"
_CODE = re.compile(r"\b[245]\.[0-9]{1,3}\.[0-9]{1,3}\b|^[245][0-9]{2}\b")
_INTERNAL = re.compile(r"\.(?:filter|recvd)")
_LONGEST_CODE = 128


class _Event(Struct, gc=False):
    event: str
    timestamp: int | float | str | None = None
    email: str | None = None
    type: str | None = None
    status: str | int | float | None = None
    reason: str | None = None
    response: str | None = None
    sg_event_id: str | None = None
    sg_message_id: str | None = None
    smtp_id: str | None = msgspec.field(default=None, name="smtp-id")
    tidemark: str | int | None = None


_events = msgspec.json.Decoder(list[_Event])


def parse(request: Request) -> list[Reported]:
    """Events of messages; what tells of the account gives none. Raises BadRecord."""
    return list(_reported(decode_json(_events, body_text(request))))


def _reported(events: list[_Event]) -> Iterator[Resolved]:
    for event in events:
        if event.email is None and event.sg_message_id is None and event.smtp_id is None:
            continue
        blocked = event.event == "bounce" and event.type == "blocked"
        yield Resolved(
            raw_status="bounce:blocked" if blocked else event.event,
            status=event.event,
            event_time=epoch_ms(event.timestamp, "timestamp"),
            provider_message_id=_message_id(event),
            recipient=event.email,
            error_code=_error_code(event) if event.event in _WITH_REASON else None,
            provider_event_id=event.sg_event_id,
            echo=text_of(event.tidemark),
        )


def _message_id(event: _Event) -> str | None:
    """The `X-Message-Id` that the send request was answered with; asynchronous bounces name it only in `smtp-id`."""
    if event.sg_message_id:
        return _INTERNAL.split(event.sg_message_id, maxsplit=1)[0]
    return event.smtp_id.strip("<>").rpartition("@")[0] or None if event.smtp_id else None


_WITH_REASON = frozenset({"bounce", "dropped", "deferred", "blocked"})


def _error_code(event: _Event) -> str | None:
    """The status; else the code in what the other server answered, else the beginning of the reason."""
    if status := text_of(event.status):
        return status[:_LONGEST_CODE]
    said = event.response or event.reason or ""
    code = _CODE.search(said)
    return (code[0] if code else said[:_LONGEST_CODE]) or None


def key(secret: str) -> EllipticCurvePublicKey:
    """The verification key as the console shows it: base64 of a DER SubjectPublicKeyInfo."""
    loaded = load_der_public_key(base64.b64decode(secret, validate=True))
    if not isinstance(loaded, EllipticCurvePublicKey):
        raise ValueError("no elliptic curve key")
    return loaded


def verify(signed: Signed, keys: Sequence[EllipticCurvePublicKey]) -> Verdict:
    """ECDSA with SHA-256 over the timestamp header and the raw body.

    An old timestamp is taken: no window is documented, nor whether a retry, up to a day later, is signed anew.
    https://www.twilio.com/docs/sendgrid/for-developers/tracking-events/getting-started-event-webhook-security-features
    """
    try:
        signature = base64.b64decode(signed.headers.get(_SIGNATURE, ""), validate=True)
    except ValueError:
        return Verdict.WRONG
    said = signed.headers.get(_TIMESTAMP, "").encode() + signed.body
    return verdict(any(_signed_by(key, signature, said) for key in keys))


def _signed_by(key: EllipticCurvePublicKey, signature: bytes, said: bytes) -> bool:
    try:
        key.verify(signature, said, ECDSA(SHA256()))
    except InvalidSignature:
        return False
    return True


SENDGRID = Provider(
    name="sendgrid",
    statuses={
        "processed": Status.ACCEPTED,
        "deferred": Status.DEFERRED,
        "delivered": Status.DELIVERED,
        "open": Status.READ,
        "click": Status.CLICKED,
        "bounce": Status.FAILED,
        "dropped": Status.FAILED,
        "spamreport": Status.COMPLAINED,
        "unsubscribe": Status.UNSUBSCRIBED,
        "group_unsubscribe": Status.UNSUBSCRIBED,
        "group_resubscribe": Status.RESUBSCRIBED,
    },
    parse=parse,
    columns=reported_columns,
    hook=Hook(verify=verify, key=key, headers=(_SIGNATURE, _TIMESTAMP)),
)
