"""Twilio's Messages resource: SMS, and WhatsApp through Twilio.

Format: https://www.twilio.com/docs/messaging/api/message-resource#create-a-message-resource
Codes: https://www.twilio.com/docs/api/errors
"""

import base64
from collections.abc import Mapping
from urllib.parse import urlencode

import msgspec

from flows.connectors.calls import Answer, Call
from flows.connectors.http import HttpConnector, base_url, by_status, dig, refusal, taken, with_echo
from flows.connectors.kind import Kind
from flows.sending.outgoing import Outcome, Outgoing, Reaction

ERRORS = {
    14107: Reaction.THROTTLED,
    20003: Reaction.PAGE,  # credentials
    20005: Reaction.PAGE,  # account not active
    20429: Reaction.THROTTLED,
    20500: Reaction.RETRY,
    20503: Reaction.RETRY,
    21211: Reaction.FALLBACK,  # no such number
    21212: Reaction.STOP,
    21214: Reaction.FALLBACK,
    21217: Reaction.FALLBACK,
    21408: Reaction.FALLBACK,  # the region is not enabled
    21606: Reaction.STOP,
    21608: Reaction.FAIL,
    21610: Reaction.SUPPRESS,  # answered STOP
    21611: Reaction.THROTTLED,  # the number's queue is full
    21612: Reaction.FALLBACK,
    21614: Reaction.FALLBACK,  # not a mobile number
    21617: Reaction.FAIL,
    21656: Reaction.STOP,
    21659: Reaction.STOP,
    30001: Reaction.THROTTLED,
    30022: Reaction.THROTTLED,
    63007: Reaction.STOP,
    63016: Reaction.FALLBACK,
    63018: Reaction.THROTTLED,
    63024: Reaction.FALLBACK,
    63038: Reaction.STOP,  # the day's limit
    90010: Reaction.PAGE,
}
_FORM = ("content-type", "application/x-www-form-urlencoded")


class Twilio(HttpConnector):
    """A sender that begins with MG is a messaging service."""

    def __init__(self, connection: Mapping[str, str], timeout_s: float) -> None:
        super().__init__(timeout_s)
        account = connection["account_sid"]
        self._url = f"{base_url(connection, 'https://api.twilio.com')}/2010-04-01/Accounts/{account}/Messages.json"
        secret = base64.b64encode(f"{account}:{connection['auth_token']}".encode()).decode()
        self._headers = (_FORM, ("authorization", f"Basic {secret}"))
        self._callback = connection.get("callback", "")
        self._prefix = connection.get("prefix", "")

    def call(self, message: Outgoing) -> Call:
        service = message.sender.startswith("MG")
        form = {
            "To": self._prefix + message.to,
            "MessagingServiceSid" if service else "From": message.sender if service else self._prefix + message.sender,
        }
        if message.text:
            form["Body"] = message.text
        else:
            variables = {str(place): text for place, text in enumerate(message.parameters, start=1)}
            form |= {"ContentSid": message.template, "ContentVariables": msgspec.json.encode(variables).decode()}
        if self._callback:
            form["StatusCallback"] = with_echo(self._callback, message.echo)
        if message.expires_s and service:
            form["ValidityPeriod"] = str(min(max(message.expires_s, 1), 36_000))
        return Call(self._url, urlencode(form).encode(), self._headers)

    def outcome(self, answer: Answer) -> Outcome:
        body = answer.json()
        if answer.status in (200, 201):
            return taken(dig(body, "sid"))
        code = dig(body, "code")
        if not isinstance(code, int):
            return by_status(answer)
        reaction = ERRORS.get(code)
        if reaction is None:
            reaction = Reaction.RETRY if answer.status >= 500 else Reaction.FAIL
        if answer.status == 429:
            reaction = Reaction.THROTTLED
        return refusal(str(code), reaction, answer, str(dig(body, "message") or ""))


KIND = Kind(
    name="twilio",
    channels=("sms", "whatsapp"),
    make=Twilio,
    needs=("account_sid", "auth_token"),
    may=("url", "callback", "prefix"),
)
