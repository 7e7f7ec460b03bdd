"""WhatsApp Cloud API, `POST /{phone-number-id}/messages`: neither idempotency key nor lookup.

Format: https://developers.facebook.com/documentation/business-messaging/whatsapp/messages/template-messages
Codes: https://developers.facebook.com/documentation/business-messaging/whatsapp/support/error-codes
"""

from collections.abc import Mapping
from typing import Any

import msgspec

from flows.connectors.calls import JSON, Answer, Call
from flows.connectors.http import HttpConnector, base_url, by_status, dig, refusal, taken
from flows.connectors.kind import Kind
from flows.sending.outgoing import Outcome, Outgoing, Reaction

ERRORS = {
    0: Reaction.PAGE,  # authentication
    1: Reaction.RETRY,
    2: Reaction.RETRY,
    3: Reaction.PAGE,  # permission
    4: Reaction.THROTTLED,
    10: Reaction.PAGE,
    33: Reaction.STOP,  # the number is gone
    100: Reaction.FAIL,
    190: Reaction.PAGE,  # token expired
    368: Reaction.PAGE,  # blocked for violating policies
    80007: Reaction.THROTTLED,
    130429: Reaction.THROTTLED,
    130472: Reaction.FALLBACK,
    130497: Reaction.FALLBACK,
    131000: Reaction.RETRY,
    131005: Reaction.PAGE,
    131008: Reaction.FAIL,
    131009: Reaction.FAIL,
    131016: Reaction.RETRY,
    131021: Reaction.FAIL,
    131026: Reaction.FALLBACK,  # not on WhatsApp
    131031: Reaction.PAGE,  # account locked
    131037: Reaction.STOP,
    131042: Reaction.PAGE,  # payment
    131045: Reaction.PAGE,
    131047: Reaction.FALLBACK,
    131048: Reaction.STOP,  # too many marked as spam
    131049: Reaction.FALLBACK,
    131050: Reaction.SUPPRESS,  # opted out of marketing
    131051: Reaction.STOP,
    131052: Reaction.FAIL,
    131053: Reaction.FAIL,
    131056: Reaction.RETRY,  # too many to this one person
    131057: Reaction.RETRY,
    132000: Reaction.STOP,  # the template's parameters don't fit
    132001: Reaction.STOP,
    132005: Reaction.FAIL,
    132007: Reaction.STOP,
    132012: Reaction.STOP,
    132015: Reaction.STOP,  # template paused
    132016: Reaction.STOP,
    133000: Reaction.RETRY,
    133004: Reaction.RETRY,
    133010: Reaction.PAGE,
}


def cloud_message(message: Outgoing) -> dict[str, Any]:
    """The body of Meta's messages: a template of the provider's where one is named, else a text."""
    body: dict[str, Any] = {
        "messaging_product": "whatsapp",
        "recipient_type": "individual",
        "to": message.to.removeprefix("+"),
        "biz_opaque_callback_data": message.echo,
    }
    if not message.text:
        template: dict[str, Any] = {"name": message.template, "language": {"code": message.language}}
        if message.parameters:
            parameters = [{"type": "text", "text": text} for text in message.parameters]
            template["components"] = [{"type": "body", "parameters": parameters}]
        return body | {"type": "template", "template": template}
    return body | {"type": "text", "text": {"preview_url": False, "body": message.text}}


def cloud_outcome(answer: Answer) -> Outcome:
    body = answer.json()
    if answer.status == 200:
        return taken(dig(body, "messages", 0, "id"))
    code = dig(body, "error", "code")
    if not isinstance(code, int):
        return by_status(answer)
    reaction = ERRORS.get(code)
    if reaction is None:
        reaction = Reaction.PAGE if 200 <= code < 300 else Reaction.RETRY if answer.status >= 500 else Reaction.FAIL
    if answer.status == 429:
        reaction = Reaction.THROTTLED
    return refusal(str(code), reaction, answer, str(dig(body, "error", "message") or ""))


class MetaWhatsApp(HttpConnector):
    def __init__(self, connection: Mapping[str, str], timeout_s: float) -> None:
        super().__init__(timeout_s)
        self._url = base_url(connection, "https://graph.facebook.com/v24.0")
        self._headers = (JSON, ("authorization", f"Bearer {connection['token']}"))

    def call(self, message: Outgoing) -> Call:
        return Call(
            f"{self._url}/{message.sender}/messages", msgspec.json.encode(cloud_message(message)), self._headers
        )

    def outcome(self, answer: Answer) -> Outcome:
        return cloud_outcome(answer)


KIND = Kind(name="meta_whatsapp", channels=("whatsapp",), make=MetaWhatsApp, needs=("token",), may=("url",))
