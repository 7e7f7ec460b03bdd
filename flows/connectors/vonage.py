"""Vonage's Messages API, `POST /v1/messages`.

Format: https://developer.vonage.com/en/api/messages-olympus
Errors: https://developer.vonage.com/en/api-errors/messages
"""

import base64
from collections.abc import Mapping
from typing import Any

import msgspec

from flows.connectors.calls import JSON, Answer, Call
from flows.connectors.http import HttpConnector, base_url, by_status, dig, refusal, taken, with_echo
from flows.connectors.kind import Kind
from flows.sending.outgoing import Outcome, Outgoing, Reaction

ERRORS = {
    401: Reaction.PAGE,
    402: Reaction.PAGE,  # low balance
    403: Reaction.PAGE,
    404: Reaction.STOP,
    422: Reaction.FALLBACK,  # a parameter, mostly the number
    429: Reaction.THROTTLED,
    503: Reaction.RETRY,
}
_LONGEST_REF = 100


class Vonage(HttpConnector):
    def __init__(self, connection: Mapping[str, str], timeout_s: float) -> None:
        super().__init__(timeout_s)
        self._url = f"{base_url(connection, 'https://api.nexmo.com')}/v1/messages"
        secret = base64.b64encode(f"{connection['api_key']}:{connection['api_secret']}".encode()).decode()
        self._headers = (JSON, ("accept", "application/json"), ("authorization", f"Basic {secret}"))
        self._callback = connection.get("callback", "")
        self._channel = connection.get("channel", "sms")

    def call(self, message: Outgoing) -> Call:
        body: dict[str, Any] = {
            "channel": self._channel,
            "message_type": "text",
            "to": message.to.removeprefix("+"),
            "from": message.sender,
            "text": message.text,
        }
        if len(message.echo) <= _LONGEST_REF:
            body["client_ref"] = message.echo
        if self._callback:
            body["webhook_url"] = with_echo(self._callback, message.echo)
        if message.expires_s:
            body["ttl"] = max(message.expires_s, 20)
        return Call(self._url, msgspec.json.encode(body), self._headers)

    def outcome(self, answer: Answer) -> Outcome:
        body = answer.json()
        if answer.status in (200, 202):
            return taken(dig(body, "message_uuid"))
        if answer.status not in ERRORS:
            return by_status(answer)
        detail = f"{dig(body, 'title') or ''}: {dig(body, 'detail') or ''}"
        return refusal(str(answer.status), ERRORS[answer.status], answer, detail)


KIND = Kind(
    name="vonage",
    channels=("sms", "whatsapp"),
    make=Vonage,
    needs=("api_key", "api_secret"),
    may=("url", "callback", "channel"),
)
