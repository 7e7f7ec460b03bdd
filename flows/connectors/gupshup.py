"""Gupshup's v3 passthrough, `POST /partner/app/{app}/v3/message`: Meta's body, Meta's answer, Meta's echo.

Format: https://partner-docs.gupshup.io/docs/send-messages-v3
"""

from collections.abc import Mapping

import msgspec

from flows.connectors.calls import JSON, Answer, Call
from flows.connectors.http import HttpConnector, base_url
from flows.connectors.kind import Kind
from flows.connectors.meta_whatsapp import cloud_message, cloud_outcome
from flows.sending.outgoing import Outcome, Outgoing


class Gupshup(HttpConnector):
    """`sender` is the app that the number belongs to."""

    def __init__(self, connection: Mapping[str, str], timeout_s: float) -> None:
        super().__init__(timeout_s)
        self._url = base_url(connection, "https://partner.gupshup.io")
        self._headers = (JSON, ("authorization", connection["token"]))

    def call(self, message: Outgoing) -> Call:
        url = f"{self._url}/partner/app/{message.sender}/v3/message"
        return Call(url, msgspec.json.encode(cloud_message(message)), self._headers)

    def outcome(self, answer: Answer) -> Outcome:
        return cloud_outcome(answer)


KIND = Kind(name="gupshup", channels=("whatsapp",), make=Gupshup, needs=("token",), may=("url",))
