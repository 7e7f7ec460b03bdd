"""Twilio: a status callback is a form with one status and no time; Event Streams are JSON CloudEvents with one.

Formats: https://www.twilio.com/docs/messaging/guides/track-outbound-message-status,
https://www.twilio.com/docs/events/event-types/messaging/outbound-message
There is no event id in a callback: (MessageSid, MessageStatus, ErrorCode) names an event, in no promised order.
"""

import base64
import hashlib
import hmac
from collections.abc import Iterator, Sequence
from urllib.parse import parse_qs, parse_qsl, urlsplit

import msgspec
from msgspec import Struct

from flows.providers.bodies import body_text, decode_json
from flows.providers.fields import MAX_FIELDS, echo_in, echo_of, fields_of, is_json, iso_ms, needed, text_of
from flows.providers.provider import Provider, Reported, Request, Resolved, reported_columns
from flows.providers.signing import FORM, JSON, Hook, Signed, Verdict, query_in, sha256_is, verdict
from schemas.echo import ECHO_NAME
from schemas.statuses import Status

_CHANNELS = ("whatsapp:", "messenger:", "rcs:")
_INBOUND = frozenset({"receiving", "received"})
_STREAMED = "com.twilio.messaging.message."


class _Data(Struct, gc=False, rename="camel"):
    message_sid: str
    message_status: str
    timestamp: str | None = None
    to: str | None = None
    error_code: int | str | None = None
    tags: dict[str, str] | None = None
    status_call_back_url: str | None = None


class _CloudEvent(Struct, gc=False):
    type: str
    data: msgspec.Raw = msgspec.Raw(b"{}")
    id: str | None = None


_events = msgspec.json.Decoder(list[_CloudEvent])
_event = msgspec.json.Decoder(_CloudEvent)
_data = msgspec.json.Decoder(_Data)


def parse(request: Request) -> list[Reported]:
    """The status of an outbound message; inbound messages and calls give none. Raises BadRecord."""
    text = body_text(request)
    if is_json(request, text):
        return list(_streamed(text))
    fields = fields_of(request)
    status = fields.get("MessageStatus") or fields.get("SmsStatus")
    if not status or status in _INBOUND:
        return []
    return [
        Resolved(
            raw_status=status,
            status=status,
            event_time=None,
            provider_message_id=needed(fields, "MessageSid", "SmsSid"),
            recipient=_number(fields.get("To")),
            error_code=fields.get("ErrorCode") or None,
            echo=echo_of(request),
        )
    ]


def _streamed(text: str) -> Iterator[Resolved]:
    """Our ids travel as a message tag, or in the message's own callback address, which comes along."""
    many = text.lstrip()[:1] == "["
    for event in decode_json(_events, text) if many else [decode_json(_event, text)]:
        if not event.type.startswith(_STREAMED):
            continue
        data = decode_json(_data, event.data)
        yield Resolved(
            raw_status=data.message_status,
            status=data.message_status.lower(),
            event_time=iso_ms(data.timestamp, "timestamp"),
            provider_message_id=data.message_sid,
            recipient=_number(data.to),
            error_code=text_of(data.error_code),
            provider_event_id=event.id,
            echo=(data.tags or {}).get(ECHO_NAME) or echo_in(data.status_call_back_url or ""),
        )


def _number(address: str | None) -> str | None:
    for channel in _CHANNELS:
        address = address.removeprefix(channel) if address else None
    return address


def verify(signed: Signed, tokens: Sequence[str]) -> Verdict:
    """`X-Twilio-Signature`: the URL and all form fields, sorted, HMAC-SHA1 by the auth token, in base64.

    Of a JSON body the URL holds the SHA-256 instead. Which port the URL shows depends on what stands between.
    https://www.twilio.com/docs/usage/security#validating-requests
    """
    given = signed.headers.get("x-twilio-signature", "").encode()
    try:
        texts = _texts(signed)
    except ValueError:
        return Verdict.WRONG
    return verdict(any(hmac.compare_digest(_signature(token, text), given) for token in tokens for text in texts))


def _texts(signed: Signed) -> list[bytes]:
    """What may have been signed; raises ValueError for an address or a form that can't be."""
    fields = b""
    digest = parse_qs(query_in(signed.url)).get("bodySHA256")
    if not digest:
        fields = _said(signed.body.decode())
    elif not sha256_is(signed.body, digest[0]):
        return []
    return [url.encode() + fields for url in _urls(signed.url)]


def _said(form: str) -> bytes:
    pairs = parse_qsl(form, keep_blank_values=True, max_num_fields=MAX_FIELDS, errors="strict")
    return "".join(name + value for name, value in sorted(set(pairs))).encode()


def _signature(token: str, text: bytes) -> bytes:
    return base64.b64encode(hmac.new(token.encode(), text, hashlib.sha1).digest())


def _urls(url: str) -> list[str]:
    """As it is, without its port, and with the port that its scheme implies."""
    parts = urlsplit(url)
    host = parts.netloc.rpartition(":")[0] if parts.port else parts.netloc
    port = 443 if parts.scheme == "https" else 80
    return [url, *(parts._replace(netloc=netloc).geturl() for netloc in (host, f"{host}:{port}") if netloc)]


TWILIO = Provider(
    name="twilio",
    statuses={
        "accepted": Status.ACCEPTED,
        "scheduled": Status.ACCEPTED,
        "queued": Status.ACCEPTED,
        "sending": Status.ACCEPTED,
        "sent": Status.SENT,
        "delivered": Status.DELIVERED,
        "read": Status.READ,
        "failed": Status.FAILED,
        "undelivered": Status.FAILED,
        "canceled": Status.FAILED,
    },
    parse=parse,
    columns=reported_columns,
    hook=Hook(
        verify=verify,
        headers=("x-twilio-signature",),
        signs_url=True,
        content_types=(FORM, JSON),
        max_body_bytes=256 << 10,
    ),
)
