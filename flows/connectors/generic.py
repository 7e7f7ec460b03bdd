"""Any HTTP API: fax, in-app inboxes, customers' webhooks, a gateway of one's own.

Without `body` the request is JSON with our ids, the recipient and the rendered texts, which whoever answers echoes in
the canonical webhook. `body` is a minijinja template over the same names; `lookup_url` (with `{key}`) is asked for a
message whose answer got lost: 200 it has it, 404 it has not.
"""

from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

import msgspec
from minijinja import Environment, TemplateError

from flows.connectors.calls import JSON, Answer, Call
from flows.connectors.http import HttpConnector, base_url, by_status, dig, refusal, taken
from flows.connectors.kind import Kind
from flows.sending.outgoing import Outcome, Outgoing, Reaction, Refused, Taken
from schemas.errors import UsageError

_METHODS = ("POST", "PUT", "PATCH")


class Generic(HttpConnector):
    def __init__(self, connection: Mapping[str, str], timeout_s: float) -> None:
        super().__init__(timeout_s)
        self._url = base_url(connection, "")
        self._method = connection.get("method", "POST").upper()
        if self._method not in _METHODS:
            raise UsageError(f"method: one of {', '.join(_METHODS)}")
        self._id_field = connection.get("id_field", "id").split(".")
        self._lookup = connection.get("lookup_url", "")
        if self._lookup and "{key}" not in self._lookup:
            raise UsageError("lookup_url: has no {key}")
        self._headers = _headers(connection)
        self._environment = _environment(connection.get("body", ""))
        self._templated = bool(connection.get("body"))

    def call(self, message: Outgoing) -> Call:
        headers = (*self._headers, ("idempotency-key", message.key))
        return Call(self._url, self._body(message), headers, self._method)

    def _body(self, message: Outgoing) -> bytes:
        fields = _fields(message)
        if not self._templated:
            return msgspec.json.encode(fields)
        try:
            return self._environment.render_template("body", **fields).encode()
        except TemplateError as error:
            raise ValueError(f"body: {error.detail or error.message}") from None

    def outcome(self, answer: Answer) -> Outcome:
        if 200 <= answer.status < 300:
            return taken(dig(answer.json(), *self._id_field))
        code = dig(answer.json(), "error", "code") or dig(answer.json(), "code")
        if isinstance(code, str | int) and answer.status not in (500, 502, 504):
            verdict = by_status(answer)
            return refusal(str(code), verdict.reaction if isinstance(verdict, Refused) else Reaction.RETRY, answer)
        return by_status(answer)

    def lookup_call(self, message: Outgoing) -> Call | None:
        if not self._lookup:
            return None
        return Call(self._lookup.replace("{key}", quote(message.key, safe="")), headers=self._headers, method="GET")

    def found(self, answer: Answer) -> Taken | Refused | None:
        if answer.status == 404:
            return Refused("not_found", Reaction.RETRY)
        if answer.status != 200:
            return None
        outcome = taken(dig(answer.json(), *self._id_field))
        return outcome if isinstance(outcome, Taken) else None


def _fields(message: Outgoing) -> dict[str, Any]:
    """All that a message has; empty ones are left out."""
    fields: dict[str, Any] = {
        "id": message.key,
        "campaign_id": message.campaign_id,
        "message_key": message.seq,
        "attempt": message.attempt,
        "sent_at": message.sent_at,
        "to": message.to,
        "from": message.sender,
        "echo": message.echo,
    }
    for name in ("template", "language", "text", "subject", "html", "parameters"):
        if value := getattr(message, name):
            fields[name] = value
    return fields


def _headers(connection: Mapping[str, str]) -> tuple[tuple[str, str], ...]:
    own = [
        (name.removeprefix("header_").replace("_", "-").lower(), text)
        for name, text in connection.items()
        if name.startswith("header_")
    ]
    return tuple(own if any(name == "content-type" for name, _ in own) else [JSON, *own])


def _environment(body: str) -> Environment:
    environment = Environment(undefined_behavior="strict", auto_escape_callback=lambda _name: "json", fuel=50_000)
    try:
        environment.add_template("body", body)
    except TemplateError as error:
        raise UsageError(f"body: line {error.line}: {error.message}") from None
    return environment


KIND = Kind(
    name="http",
    channels=("in_app", "fax", "webhook", "sms", "email", "push", "whatsapp"),
    make=Generic,
    needs=("url",),
    may=("method", "body", "id_field", "lookup_url", "reports_as"),
    reports_as="canonical",
    idempotent=True,
    looks_up=("lookup_url",),
)
