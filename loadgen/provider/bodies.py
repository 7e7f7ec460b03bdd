"""Statuses as each provider posts them, by its own documentation; read independently of what parses them."""

from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Any, NamedTuple
from urllib.parse import urlencode

import msgspec

from loadgen.provider.shapes import Sent
from loadgen.signing import FORM, JSON

BATCHED = ("meta_whatsapp", "gupshup", "sendgrid", "infobip", "canonical")
_WORDS = {
    "twilio": {"failed": "undelivered"},
    "sendgrid": {"sent": "processed", "read": "open", "clicked": "click", "failed": "bounce"},
    "infobip": {"sent": "DELIVERED_TO_OPERATOR", "delivered": "DELIVERED_TO_HANDSET", "failed": "UNDELIVERABLE"},
    "vonage": {"sent": "submitted", "failed": "undeliverable"},
}
_MEANINGS = {("sendgrid", "sent"): "accepted"}
"""Where the word that a provider has for it means another of our statuses."""


class Report(NamedTuple):
    """One status of a message; `at_ms`: when it happened, UTC, the same however often it is told."""

    sent: Sent
    identity: str
    status: str
    code: str
    at_ms: int


def meaning(provider: str, status: str) -> str:
    """Which of our statuses a provider's word for `status` is."""
    return _MEANINGS.get((provider, status), status)


def said_ms(report: Report) -> int:
    """The time as the body tells it: most know whole seconds; 0 where it tells none."""
    match report.sent.provider:
        case "twilio":
            return 0
        case "canonical":
            return report.at_ms
    return report.at_ms // 1000 * 1000


def write(provider: str, reports: Sequence[Report]) -> tuple[bytes, str]:
    """The body of one webhook, and its content type."""
    if provider == "twilio":
        return urlencode(_twilio(reports[0])).encode(), FORM
    return msgspec.json.encode(_BODIES[provider](reports)), JSON


def _word(provider: str, status: str) -> str:
    return _WORDS.get(provider, {}).get(status, status)


def _meta(reports: Sequence[Report]) -> dict[str, Any]:
    provider, statuses = reports[0].sent.provider, []
    for report in reports:
        status: dict[str, Any] = {
            "id": report.identity,
            "status": report.status,
            "timestamp": str(report.at_ms // 1000),
            "recipient_id": report.sent.to.removeprefix("+"),
            "biz_opaque_callback_data": report.sent.echo,
        }
        if provider == "gupshup":
            status["gs_id"] = report.identity
        if report.status == "failed":
            status["errors"] = [{"code": int(report.code), "title": "Message undeliverable"}]
        statuses.append(status)
    metadata = {"display_phone_number": "15550783881", "phone_number_id": reports[0].sent.sender}
    value = {"messaging_product": "whatsapp", "metadata": metadata, "statuses": statuses}
    entry = {"id": "102290129340398", "changes": [{"value": value, "field": "messages"}]}
    return {"object": "whatsapp_business_account", "entry": [entry]}


def _twilio(report: Report) -> dict[str, str]:
    status = _word("twilio", report.status)
    form = {"MessageSid": report.identity, "MessageStatus": status, "SmsSid": report.identity, "SmsStatus": status}
    form |= {"To": report.sent.to, "From": report.sent.sender, "AccountSid": "AC0", "ApiVersion": "2010-04-01"}
    return form | ({"ErrorCode": report.code} if report.status == "failed" else {})


def _sendgrid(report: Report) -> dict[str, Any]:
    event = {
        "email": report.sent.to,
        "timestamp": report.at_ms // 1000,
        "event": _word("sendgrid", report.status),
        "sg_event_id": f"{report.identity}.{report.status}",
        "sg_message_id": f"{report.identity}.recvd-1",
        "tidemark": report.sent.echo,
    }
    return event | ({"status": report.code, "type": "bounce"} if report.status == "failed" else {})


def _infobip(report: Report) -> dict[str, Any]:
    group = {"sent": "DELIVERED", "delivered": "DELIVERED"}.get(report.status, "UNDELIVERABLE")
    stamp = _at(report).strftime("%Y-%m-%dT%H:%M:%S.000+0000")
    return {
        "messageId": report.identity,
        "to": report.sent.to,
        "sentAt": stamp,
        "doneAt": stamp,
        "callbackData": report.sent.echo,
        "status": {"groupName": group, "name": _word("infobip", report.status)},
        "error": {"name": report.code or "NO_ERROR"},
    }


def _vonage(report: Report) -> dict[str, Any]:
    message = {
        "message_uuid": report.identity,
        "to": report.sent.to,
        "from": report.sent.sender,
        "timestamp": _at(report).strftime("%Y-%m-%dT%H:%M:%S.000Z"),
        "status": _word("vonage", report.status),
        "channel": "sms",
        "client_ref": report.sent.echo,
    }
    return message | ({"error": {"title": report.code}} if report.code else {})


def _canonical(report: Report) -> dict[str, Any]:
    campaign, key, attempt, sent_at = report.sent.ids()
    event = {
        "campaign_id": campaign,
        "message_key": key,
        "attempt": attempt,
        "sent_at": sent_at,
        "status": report.status,
        "event_time": report.at_ms,
        "provider_message_id": report.identity,
        "recipient": report.sent.to,
    }
    return event | ({"error_code": report.code} if report.code else {})


def _at(report: Report) -> datetime:
    return datetime.fromtimestamp(report.at_ms / 1000, UTC)


_BODIES: dict[str, Callable[[Sequence[Report]], Any]] = {
    "meta_whatsapp": _meta,
    "gupshup": _meta,
    "sendgrid": lambda reports: [_sendgrid(report) for report in reports],
    "infobip": lambda reports: {"results": [_infobip(report) for report in reports]},
    "vonage": lambda reports: _vonage(reports[0]),
    "canonical": lambda reports: [_canonical(report) for report in reports],
}
