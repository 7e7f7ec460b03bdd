"""Push: services call nobody back, so the sender hands on their replies, and whoever exports Firebase's data, its rows.

A reply is `{"provider": "fcm" | "apns" | "webpush", "request": {"message_id", "recipient", "sent_at_ms", "echo"},
"response": {"status", "headers", "body"}}`; an export row is one of the BigQuery table `firebase_messaging.data`. A
body is one of them, an array of them, or one a line.
Formats: https://firebase.google.com/docs/reference/fcm/rest/v1/ErrorCode, RFC 8030 (Web Push),
https://developer.apple.com/documentation/usernotifications/handling-notification-responses-from-apns,
https://firebase.google.com/docs/cloud-messaging/understand-delivery#bigquery-data-export
"""

import msgspec
from msgspec import Struct

from flows.providers.bodies import Reason, body_text, decode_json
from flows.providers.fields import epoch_ms, iso_ms
from flows.providers.provider import Provider, Reported, Request, Resolved, reported_columns
from flows.providers.signing import JSON, TEXT, Hook
from schemas.errors import BadRecord
from schemas.events import Milliseconds
from schemas.statuses import Status

NDJSON = "application/x-ndjson"
_LONGEST_RECIPIENT = 512
_ID_HEADERS = ("apns-id", "location")


class _Sent(Struct, gc=False):
    message_id: str | None = None
    recipient: str | None = None
    sent_at_ms: Milliseconds | None = None
    echo: str | None = None


class _Detail(Struct, gc=False, rename="camel"):
    error_code: str | None = None


class _Error(Struct, gc=False):
    status: str | None = None
    details: list[_Detail] = []


class _ReplyBody(Struct, gc=False):
    """Of FCM `name` or `error`, of APNs `reason`."""

    name: str | None = None
    error: _Error | None = None
    reason: str | None = None


class _Reply(Struct, gc=False):
    status: int
    headers: dict[str, str] = {}
    body: msgspec.Raw = msgspec.Raw(b"null")


class _Item(Struct, gc=False):
    """A reply or a row: which it is shows in what it has."""

    provider: str = "fcm"
    request: _Sent | None = None
    response: _Reply | None = None
    event: str | None = None
    message_id: str | None = None
    instance_id: str | None = None
    event_timestamp: str | int | float | None = None
    analytics_label: str | None = None


class Push(Resolved):
    """Which service it was stands beside the status."""

    provider: str = "fcm"


_items = msgspec.json.Decoder(list[_Item])
_item = msgspec.json.Decoder(_Item)
_reply_bodies = msgspec.json.Decoder(_ReplyBody)


def parse(request: Request) -> list[Reported]:
    """One status a reply or a row. Raises BadRecord."""
    items = _decode(body_text(request).strip())
    return [event for place, item in enumerate(items) if (event := _event(item, place))]


def _decode(text: str) -> list[_Item]:
    if text[:1] == "[":
        return decode_json(_items, text)
    lines = [line.strip() for line in text.split("\n") if line.strip()]
    if len(lines) > 1 and all(line[0] == "{" and line[-1] == "}" for line in lines):
        return [_on_line(number, line) for number, line in enumerate(lines)]
    return [decode_json(_item, text)]


def _on_line(number: int, line: str) -> _Item:
    try:
        return decode_json(_item, line)
    except BadRecord as bad:
        raise BadRecord(bad.reason, f"line {number}: {bad.detail}") from None


def _event(item: _Item, place: int) -> Push | None:
    if item.response is not None:
        return _of_reply(item, item.request or _Sent(), item.response, place)
    return _of_row(item, item.event, place) if item.event else None


def _of_reply(item: _Item, sent: _Sent, reply: _Reply, place: int) -> Push:
    body = _body(reply)
    headers = {name.lower(): text for name, text in reply.headers.items()}
    named = [headers[name] for name in _ID_HEADERS if headers.get(name)]
    message_id = (body.name if body else None) or (named[0] if named else sent.message_id)
    if not message_id and not sent.echo:
        raise BadRecord(Reason.WRONG_SHAPE, f"item {place}: request.message_id is missing, and the reply names none")
    return Push(
        provider=item.provider,
        raw_status=str(reply.status),
        status=_class_of(reply.status),
        event_time=sent.sent_at_ms,
        provider_message_id=message_id,
        recipient=_fitting(sent.recipient),
        error_code=None if reply.status < 300 else _error_code(reply, body),
        echo=sent.echo,
    )


def _body(reply: _Reply) -> _ReplyBody | None:
    """None for one that is no JSON object of a push service: the status says enough."""
    try:
        return _reply_bodies.decode(reply.body)
    except (msgspec.MsgspecError, RecursionError):
        return None


def _class_of(status: int) -> str:
    if 200 <= status < 300:
        return "ok"
    return "later" if status in (429, 503) else "error"


def _error_code(reply: _Reply, body: _ReplyBody | None) -> str:
    error = body.error if body else None
    detailed = [detail.error_code for detail in error.details if detail.error_code] if error else []
    named = detailed[0] if detailed else error.status if error else body.reason if body else None
    return named or str(reply.status)


def _fitting(recipient: str | None) -> str | None:
    """A subscription's address may be longer than any recipient: the status still counts."""
    return recipient if recipient and len(recipient) <= _LONGEST_RECIPIENT else None


def _of_row(item: _Item, event: str, place: int) -> Push:
    if not item.message_id and not item.analytics_label:
        raise BadRecord(Reason.WRONG_SHAPE, f"item {place}: message_id is missing")
    at = item.event_timestamp
    failed = event in _FAILURES
    return Push(
        provider=item.provider,
        raw_status=event,
        status=event if not failed else "error",
        event_time=_row_time(at),
        provider_message_id=item.message_id or None,
        recipient=_fitting(item.instance_id),
        error_code=event if failed else None,
        echo=item.analytics_label,
    )


def _row_time(at: str | int | float | None) -> int | None:
    """`2026-11-01 10:00:00.5 UTC` in exported files, seconds with a fraction from the API."""
    if isinstance(at, str) and "-" in at:
        return iso_ms(at, "event_timestamp")
    try:
        return None if at is None else epoch_ms(round(float(at) * 1000), "event_timestamp")
    except (ValueError, OverflowError):
        raise BadRecord(Reason.WRONG_SHAPE, f"event_timestamp is no time: {str(at)[:40]!r}") from None


_FAILURES = frozenset(
    {
        "MISSING_REGISTRATIONS",
        "UNAUTHORIZED_REGISTRATION",
        "MESSAGE_RECEIVED_INTERNAL_ERROR",
        "MISMATCH_SENDER_ID",
        "UNREGISTERED",
        "INVALID_REGISTRATION",
        "INVALID_PARAMETERS",
        "TTL_EXPIRED",
        "MESSAGE_EXPIRED",
    }
)
PUSH = Provider(
    name="push",
    statuses={
        "ok": Status.ACCEPTED,
        "later": Status.DEFERRED,
        "error": Status.FAILED,
        "MESSAGE_ACCEPTED": Status.ACCEPTED,
        "MESSAGE_DELIVERED": Status.DELIVERED,
    },
    parse=parse,
    columns=reported_columns,
    hook=Hook(headers_are_secret=True, content_types=(JSON, NDJSON, TEXT), max_body_bytes=8 << 20),
)
