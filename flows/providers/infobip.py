"""Infobip: delivery and seen reports in `results`, up to 2,000 in a body.

Format: https://www.infobip.com/docs/api/channels/sms/outbound-sms/receive-outbound-sms-message-report
(messageId, status.name) names an event. Infobip signs nothing that its public pages document: HTTP Basic or a path.
"""

from collections.abc import Iterator

import msgspec
from msgspec import Struct

from flows.providers.bodies import Reason, body_text, decode_json
from flows.providers.fields import iso_ms
from flows.providers.provider import Provider, Reported, Request, Resolved, reported_columns
from flows.providers.signing import Hook
from schemas.errors import BadRecord
from schemas.statuses import Status

_SEEN = "SEEN"


class _Named(Struct, gc=False, rename="camel"):
    name: str | None = None
    group_name: str | None = None
    group_id: int | None = None


class _Result(Struct, gc=False, rename="camel"):
    message_id: str | None = None
    to: str | None = None
    sender_of_message: str | None = msgspec.field(default=None, name="from")
    done_at: str | None = None
    seen_at: str | None = None
    status: _Named | None = None
    error: _Named | None = None
    callback_data: str | None = None


class _Body(Struct, gc=False):
    results: list[_Result] = []


_bodies = msgspec.json.Decoder(_Body)


def parse(request: Request) -> list[Reported]:
    """Results that hold no status, as of inbound messages, give none. Raises BadRecord."""
    return list(_reported(decode_json(_bodies, body_text(request))))


def _reported(body: _Body) -> Iterator[Resolved]:
    for place, result in enumerate(body.results):
        if result.status is None and result.seen_at is None:
            continue
        if not result.message_id:
            raise BadRecord(Reason.WRONG_SHAPE, f"results[{place}].messageId is missing")
        yield _seen(result) if result.seen_at else _delivery(result, result.status or _Named(), place)


def _seen(result: _Result) -> Resolved:
    """Here `to` is our own number, and the person stands under `from`."""
    return Resolved(
        raw_status=_SEEN,
        status=_SEEN,
        event_time=iso_ms(result.seen_at, "seenAt"),
        provider_message_id=result.message_id,
        recipient=result.sender_of_message,
        echo=result.callback_data,
    )


def _delivery(result: _Result, status: _Named, place: int) -> Resolved:
    """The name says more than its group: what the operator took has the group DELIVERED, and is not yet."""
    raw = status.name or status.group_name
    if not raw:
        raise BadRecord(Reason.WRONG_SHAPE, f"results[{place}].status.name is missing")
    key = raw if raw in _STATUSES else status.group_name or raw
    return Resolved(
        raw_status=raw,
        status=key,
        event_time=iso_ms(result.done_at, "doneAt"),
        provider_message_id=result.message_id,
        recipient=result.to,
        error_code=_error_code(result.error, raw) if _STATUSES.get(key) == Status.FAILED else None,
        echo=result.callback_data,
    )


def _error_code(error: _Named | None, raw_status: str) -> str:
    """`NO_ERROR` comes with what Infobip itself refused."""
    named = error.name if error and error.group_id != 0 else None
    return raw_status if named in (None, "", "NO_ERROR") else str(named)


_STATUSES = {
    "PENDING": Status.ACCEPTED,
    "DELIVERED_TO_OPERATOR": Status.SENT,
    "DELIVERED": Status.DELIVERED,
    "DELIVERED_TO_HANDSET": Status.DELIVERED,
    _SEEN: Status.READ,
    "UNDELIVERABLE": Status.FAILED,
    "EXPIRED": Status.FAILED,
    "REJECTED": Status.FAILED,
}
INFOBIP = Provider(
    name="infobip",
    statuses=_STATUSES,
    parse=parse,
    columns=reported_columns,
    hook=Hook(headers_are_secret=True, max_body_bytes=4 << 20),
)
