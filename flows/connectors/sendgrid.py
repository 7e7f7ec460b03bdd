"""SendGrid's `POST /v3/mail/send`.

Format: https://www.twilio.com/docs/sendgrid/api-reference/mail-send/mail-send
"""

from collections.abc import Mapping
from typing import Any

import msgspec

from flows.connectors.calls import JSON, Answer, Call
from flows.connectors.http import HttpConnector, base_url, by_status, dig, refusal, taken
from flows.connectors.kind import Kind
from flows.sending.outgoing import Outcome, Outgoing, Reaction
from schemas.echo import ECHO_NAME

ERRORS = {
    400: Reaction.FAIL,
    401: Reaction.PAGE,
    403: Reaction.PAGE,
    404: Reaction.STOP,
    406: Reaction.STOP,
    413: Reaction.FAIL,
    429: Reaction.THROTTLED,
    503: Reaction.RETRY,
}


class SendGrid(HttpConnector):
    """A template's name without a text of ours is a dynamic template's id."""

    def __init__(self, connection: Mapping[str, str], timeout_s: float) -> None:
        super().__init__(timeout_s)
        self._url = f"{base_url(connection, 'https://api.sendgrid.com')}/v3/mail/send"
        self._headers = (JSON, ("authorization", f"Bearer {connection['api_key']}"))

    def call(self, message: Outgoing) -> Call:
        person: dict[str, Any] = {"to": [{"email": message.to}], "custom_args": {ECHO_NAME: message.echo}}
        body: dict[str, Any] = {"personalizations": [person], "from": {"email": message.sender}}
        if message.text or message.html:
            texts = (("text/plain", message.text), ("text/html", message.html))
            body["subject"] = message.subject
            body["content"] = [{"type": kind, "value": text} for kind, text in texts if text]
        else:
            body["template_id"] = message.template
            person["dynamic_template_data"] = {
                f"p{place}": text for place, text in enumerate(message.parameters, start=1)
            }
        return Call(self._url, msgspec.json.encode(body), self._headers)

    def outcome(self, answer: Answer) -> Outcome:
        if answer.status in (200, 202):
            return taken(answer.headers.get("x-message-id"))
        if answer.status not in ERRORS:
            return by_status(answer)
        detail = str(dig(answer.json(), "errors", 0, "message") or "")
        return refusal(str(answer.status), ERRORS[answer.status], answer, detail)


KIND = Kind(name="sendgrid", channels=("email",), make=SendGrid, needs=("api_key",), may=("url",))
