"""Connectors, one file a provider: a message as that provider's request, its answer as an outcome."""

from collections.abc import Mapping

from flows.connectors import (
    apns,
    dry,
    fcm,
    generic,
    gupshup,
    infobip,
    meta_whatsapp,
    sendgrid,
    ses,
    smtp,
    twilio,
    vonage,
    web_push,
)
from flows.connectors.kind import Kind
from flows.sending.outgoing import Connector

_MODULES = (
    meta_whatsapp,
    twilio,
    sendgrid,
    ses,
    smtp,
    fcm,
    apns,
    web_push,
    infobip,
    vonage,
    gupshup,
    generic,
    dry,
)
CONNECTORS: dict[str, Kind] = {module.KIND.name: module.KIND for module in _MODULES}


def check_connection(provider: str, connection: Mapping[str, str]) -> None:
    """Raises UsageError."""
    CONNECTORS[provider].check(connection)


def open_connector(provider: str, connection: Mapping[str, str], timeout_s: float) -> Connector:
    return CONNECTORS[provider].make(connection, timeout_s)
