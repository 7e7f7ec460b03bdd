"""Gupshup: WhatsApp events, version 2 (one a body) and 3 (Meta's shape), and SMS reports, up to 20 a body.

Formats: https://docs.gupshup.io/docs/message-events, https://docs.gupshup.io/docs/real-time-delivery-reports
(gsId, type) names an event. Gupshup signs nothing that its public pages document: HTTP Basic or a path.
"""

from collections.abc import Iterator, Sequence

import msgspec
from msgspec import Struct

from flows.providers.bodies import Reason, body_text, decode_json
from flows.providers.fields import epoch_ms, fields_of, is_json, needed, text_of
from flows.providers.provider import Provider, Reported, Request
from flows.providers.signing import FORM, JSON, Hook
from schemas.errors import BadRecord
from schemas.statuses import Status

_Number = int | float | str | None


class _Outcome(Struct, gc=False):
    ts: _Number = None
    code: _Number = None


class _Message(Struct, gc=False, rename="camel"):
    type: str | None = None
    id: str | None = None
    gs_id: str | None = None
    destination: str | None = None
    payload: _Outcome | None = None


class _Event2(Struct, gc=False):
    payload: _Message
    timestamp: _Number = None


class _Error(Struct, gc=False):
    code: _Number = None


class _Status(Struct, gc=False):
    status: str
    id: str | None = None
    gs_id: str | None = None
    timestamp: _Number = None
    recipient_id: str | None = None
    recipient_user_id: str | None = None
    biz_opaque_callback_data: str | None = None
    errors: list[_Error] | None = None


class _Value(Struct, gc=False):
    statuses: list[_Status] | None = None


class _Change(Struct, gc=False):
    value: msgspec.Raw = msgspec.Raw(b"{}")
    field: str | None = None


class _Entry(Struct, gc=False):
    changes: list[_Change] = []


class _Sms(Struct, gc=False, rename="camel"):
    external_id: _Number = None
    event_type: str | None = None
    event_ts: _Number = None
    dest_addr: _Number = None
    err_code: _Number = None
    error_code: _Number = None
    cause: str | None = None


class _Body(Struct, gc=False):
    """Which of the three a body is shows in what it has."""

    type: str | None = None
    entry: list[_Entry] | None = None
    response: list[_Sms] | None = None


_bodies = msgspec.json.Decoder(_Body)
_events2 = msgspec.json.Decoder(_Event2)
_values = msgspec.json.Decoder(_Value)
_sms = msgspec.json.Decoder(list[_Sms])


def parse(request: Request) -> list[Reported]:
    """Inbound messages, user and account events give none. Raises BadRecord."""
    text = body_text(request)
    if not is_json(request, text):
        return _of_form(request)
    if text.lstrip()[:1] == "[":
        return list(_of_sms(decode_json(_sms, text)))
    body = decode_json(_bodies, text)
    if body.entry is not None:
        return list(_of_version_3(body.entry))
    if body.response is not None:
        return list(_of_sms(body.response))
    return _of_version_2(decode_json(_events2, text)) if body.type == "message-event" else []


def _of_version_2(event: _Event2) -> list[Reported]:
    """Seconds within, milliseconds outside."""
    message, outcome = event.payload, event.payload.payload or _Outcome()
    if not message.type:
        raise BadRecord(Reason.WRONG_SHAPE, "payload.type is missing")
    if not (message.gs_id or message.id):
        raise BadRecord(Reason.WRONG_SHAPE, "payload.gsId is missing")
    at = epoch_ms(outcome.ts, "payload.payload.ts")
    return [
        Reported(
            raw_status=message.type,
            event_time=epoch_ms(event.timestamp, "timestamp") if at is None else at,
            provider_message_id=message.gs_id or message.id,
            recipient=message.destination,
            error_code=text_of(outcome.code),
        )
    ]


def _of_version_3(entries: Sequence[_Entry]) -> Iterator[Reported]:
    """The time is seconds as text, but milliseconds as a number for `enqueued`."""
    changes = [change for entry in entries for change in entry.changes if change.field in (None, "messages")]
    for change in changes:
        for status in decode_json(_values, change.value).statuses or []:
            if not (status.gs_id or status.id):
                raise BadRecord(Reason.WRONG_SHAPE, "statuses[].gs_id is missing")
            yield Reported(
                raw_status=status.status,
                event_time=epoch_ms(status.timestamp, "timestamp"),
                provider_message_id=status.gs_id or status.id,
                recipient=status.recipient_id or status.recipient_user_id,
                error_code=text_of(status.errors[0].code) if status.errors else None,
                echo=status.biz_opaque_callback_data,
            )


def _of_sms(events: list[_Sms]) -> Iterator[Reported]:
    for place, event in enumerate(events):
        if not event.event_type:
            continue
        if not event.external_id:
            raise BadRecord(Reason.WRONG_SHAPE, f"[{place}].externalId is missing")
        yield Reported(
            raw_status=event.event_type,
            event_time=epoch_ms(event.event_ts, "eventTs"),
            provider_message_id=text_of(event.external_id),
            recipient=text_of(event.dest_addr),
            error_code=_sms_error(text_of(event.err_code or event.error_code), event.cause),
        )


def _of_form(request: Request) -> list[Reported]:
    """A batch under `response`, or one report by the names of the GET callback."""
    fields = fields_of(request)
    if "response" in fields:
        return list(_of_sms(decode_json(_sms, fields["response"])))
    if not fields.get("status"):
        return []
    return [
        Reported(
            raw_status=fields["status"],
            event_time=epoch_ms(fields.get("deliveredTS"), "deliveredTS"),
            provider_message_id=needed(fields, "externalId"),
            recipient=fields.get("phoneNo"),
            error_code=_sms_error(fields.get("errCode"), fields.get("cause")),
        )
    ]


def _sms_error(code: str | None, cause: str | None) -> str | None:
    """`000` is success."""
    found = code or (None if cause in (None, "", "SUCCESS") else cause)
    return found if found and found.strip("0") else None


GUPSHUP = Provider(
    name="gupshup",
    statuses={
        "enqueued": Status.ACCEPTED,
        "sent": Status.SENT,
        "delivered": Status.DELIVERED,
        "read": Status.READ,
        "failed": Status.FAILED,
        "SENT": Status.SENT,
        "SUBMITTED": Status.SENT,
        "DELIVERED": Status.DELIVERED,
        "SUCCESS": Status.DELIVERED,
        "FAILED": Status.FAILED,
        "FAIL": Status.FAILED,
        "FAILURE": Status.FAILED,
    },
    parse=parse,
    hook=Hook(headers_are_secret=True, methods=("POST", "GET"), content_types=(JSON, FORM), max_body_bytes=3 << 20),
)
