"""Infobip's SMS API, `POST /sms/3/messages`.

Format: https://www.infobip.com/docs/api/channels/sms/outbound-sms/send-sms-messages
"""

from collections.abc import Mapping
from typing import Any

import msgspec

from flows.connectors.calls import JSON, Answer, Call
from flows.connectors.http import HttpConnector, base_url, by_status, dig, refusal, taken
from flows.connectors.kind import Kind
from flows.sending.outgoing import Outcome, Outgoing, Reaction

ERRORS = {
    "BAD_REQUEST": Reaction.FAIL,
    "UNAUTHORIZED": Reaction.PAGE,
    "FORBIDDEN": Reaction.PAGE,
    "NOT_FOUND": Reaction.STOP,
    "TOO_MANY_REQUESTS": Reaction.THROTTLED,
    "GENERAL_ERROR": Reaction.RETRY,
    "REJECTED_NOT_ENOUGH_CREDITS": Reaction.PAGE,
    "REJECTED_PREPAID_PACKAGE_EXPIRED": Reaction.PAGE,
    "REJECTED_DESTINATION": Reaction.FALLBACK,
    "REJECTED_DESTINATION_NOT_REGISTERED": Reaction.FALLBACK,
    "REJECTED_INVALID_DESTINATION": Reaction.FALLBACK,
    "REJECTED_NETWORK": Reaction.FALLBACK,
    "REJECTED_ROUTE_NOT_AVAILABLE": Reaction.FALLBACK,
    "REJECTED_SENDER": Reaction.STOP,
    "REJECTED_SOURCE": Reaction.STOP,
    "REJECTED_FLOODING_FILTER": Reaction.RETRY,
    "REJECTED_SYSTEM_ERROR": Reaction.RETRY,
    "REJECTED_DUPLICATE_MESSAGE_ID": Reaction.FAIL,
    "REJECTED_INVALID_UDH": Reaction.FAIL,
    "REJECTED_MESSAGE_TOO_LONG": Reaction.FAIL,
}
_REJECTED_GROUPS = (2, 4, 5)
"""Undeliverable, expired, rejected."""


class Infobip(HttpConnector):
    def __init__(self, connection: Mapping[str, str], timeout_s: float) -> None:
        super().__init__(timeout_s)
        self._url = f"{base_url(connection, 'https://api.infobip.com')}/sms/3/messages"
        self._headers = (JSON, ("authorization", f"App {connection['api_key']}"))
        self._callback = connection.get("callback", "")

    def call(self, message: Outgoing) -> Call:
        webhooks: dict[str, Any] = {"contentType": "application/json", "callbackData": message.echo}
        if self._callback:
            webhooks["delivery"] = {"url": self._callback, "intermediateReport": True}
        one: dict[str, Any] = {
            "sender": message.sender,
            "destinations": [{"to": message.to.removeprefix("+"), "messageId": message.key}],
            "content": {"text": message.text},
            "webhooks": webhooks,
        }
        if message.expires_s:
            minutes = min(max(message.expires_s // 60, 1), 2880)
            one["options"] = {"validityPeriod": {"amount": minutes, "timeUnit": "MINUTES"}}
        return Call(self._url, msgspec.json.encode({"messages": [one]}), self._headers)

    def outcome(self, answer: Answer) -> Outcome:
        body = answer.json()
        if answer.status == 200:
            return self._first(answer, dig(body, "messages", 0))
        code = dig(body, "requestError", "serviceException", "messageId")
        if not isinstance(code, str) or code not in ERRORS:
            return by_status(answer)
        detail = str(dig(body, "requestError", "serviceException", "text") or "")
        return refusal(code, ERRORS[code], answer, detail)

    def _first(self, answer: Answer, message: Any) -> Outcome:
        """A message can be rejected within an answer that says 200."""
        if dig(message, "status", "groupId") in _REJECTED_GROUPS:
            code = str(dig(message, "status", "name") or "REJECTED")
            return refusal(
                code, ERRORS.get(code, Reaction.FAIL), answer, str(dig(message, "status", "description") or "")
            )
        return taken(dig(message, "messageId"))


KIND = Kind(name="infobip", channels=("sms",), make=Infobip, needs=("api_key",), may=("url", "callback"))
