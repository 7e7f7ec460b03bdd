"""Vonage: delivery receipts of the SMS API, by GET, form or JSON, and status callbacks of the Messages API, JSON.

Formats: https://developer.vonage.com/en/messaging/sms/guides/delivery-receipts,
https://developer.vonage.com/en/api/messages#message-status
One status a request; (id, status) names an event.
"""

import hashlib
import hmac
from collections.abc import Sequence

import msgspec
from msgspec import Struct

from flows.providers.bodies import Reason, body_text, decode_json
from flows.providers.fields import Fields, echo_of, fields_of, is_json, iso_ms, needed, query_of, text_of
from flows.providers.provider import Provider, Reported, Request
from flows.providers.signing import FORM, JSON, Hook, Signed, Verdict, jwt_claims, same, sha256_is, verdict
from schemas.echo import ECHO_NAME
from schemas.errors import BadRecord
from schemas.statuses import Status

_HASH = "hash-md5:"
_REPLAY_WINDOW_S = 300
_DIGESTS = {32: hashlib.md5, 40: hashlib.sha1, 64: hashlib.sha256, 128: hashlib.sha512}


class _Address(Struct, gc=False):
    """As the Messages API wrote it before its first version."""

    number: str | None = None
    id: str | None = None


class _Error(Struct, gc=False):
    title: str | int | float | None = None
    code: str | int | float | None = None


class _Message(Struct, gc=False):
    message_uuid: str | None = None
    status: str | None = None
    timestamp: str | None = None
    to: str | _Address | None = None
    client_ref: str | None = None
    error: _Error | None = None


_messages = msgspec.json.Decoder(_Message)


def parse(request: Request) -> list[Reported]:
    """The status of an outbound message; inbound messages give none. Raises BadRecord."""
    text = body_text(request)
    if is_json(request, text) and "message_uuid" in text:
        message = decode_json(_messages, text)
        return [_of_messages(message, request)] if message.status else []
    fields = fields_of(request)
    return [_of_sms(fields, request)] if fields.get("status") else []


def _of_messages(message: _Message, request: Request) -> Reported:
    if not message.message_uuid:
        raise BadRecord(Reason.WRONG_SHAPE, "message_uuid is missing")
    to = message.to
    return Reported(
        raw_status=message.status or "",
        event_time=iso_ms(message.timestamp, "timestamp"),
        provider_message_id=message.message_uuid,
        recipient=to.number or to.id if isinstance(to, _Address) else to,
        error_code=text_of(message.error.title or message.error.code) if message.error else None,
        echo=echo_of(request) or message.client_ref,
    )


def _of_sms(fields: Fields, request: Request) -> Reported:
    """`to` is our sender; `scts` is local time, `message-timestamp` UTC."""
    code = fields.get("err-code", "0")
    return Reported(
        raw_status=fields["status"],
        event_time=iso_ms(fields.get("message-timestamp"), "message-timestamp"),
        provider_message_id=needed(fields, "messageId"),
        recipient=fields.get("msisdn"),
        error_code=None if code in ("", "0") else code,
        echo=echo_of(request) or fields.get("client-ref"),
    )


def verify(signed: Signed, secrets: Sequence[str]) -> Verdict:
    """The JWT of the Messages API with its `payload_hash`, or the `sig` of the SMS API.

    https://developer.vonage.com/en/getting-started/concepts/webhooks#validating-signed-webhooks,
    https://developer.vonage.com/en/getting-started/concepts/signing-messages
    """
    scheme, _, token = signed.headers.get("authorization", "").partition(" ")
    if scheme.lower() == "bearer":
        keys = [secret.removeprefix(_HASH).encode() for secret in secrets]
        claims = jwt_claims(token.strip(), keys, ("HS256",))
        return verdict(claims is not None and sha256_is(signed.body, claims.get("payload_hash")))
    try:
        fields = _signed_fields(signed)
    except BadRecord:
        return Verdict.WRONG
    if "sig" not in fields:
        return Verdict.UNSIGNED
    return verdict(_is_fresh(fields, signed.now_s) and _sig_is_of(fields, secrets))


def _signed_fields(signed: Signed) -> dict[str, str]:
    """Of the body, or of the query with a GET; our own parameter in the address is no part of what Vonage signs."""
    content_type = signed.headers.get("content-type", "")
    try:
        request = Request(
            receipt_id="",
            provider="",
            received_at=0,
            url=signed.url,
            content_type=content_type,
            body=signed.body.decode(),
        )
    except UnicodeDecodeError:
        raise BadRecord(Reason.INVALID_UTF8) from None
    fields = fields_of(request) if signed.body else query_of(request)
    return {name: value for name, value in fields.items() if name != ECHO_NAME}


def _is_fresh(fields: Fields, now_s: float) -> bool:
    stamp = fields.get("timestamp", "")
    return stamp.isascii() and stamp.isdigit() and len(stamp) < 16 and abs(now_s - int(stamp)) <= _REPLAY_WINDOW_S


def _sig_is_of(fields: Fields, secrets: Sequence[str]) -> bool:
    """Fields by name as `&name=value`, with `_` for `&` and `=` in a value; the digest is known by its length."""
    said = "".join(f"&{name}={_plain(value)}" for name, value in sorted(fields.items()) if name != "sig")
    given = fields["sig"].lower()
    return any(same(_sig(secret, said, len(given)), given) for secret in secrets)


def _plain(value: str) -> str:
    return value.replace("&", "_").replace("=", "_")


def _sig(secret: str, said: str, length: int) -> str:
    """MD5 without HMAC, the account's default, only where the secret asks for it: `hash-md5:SECRET`."""
    if secret.startswith(_HASH):
        return hashlib.md5((said + secret.removeprefix(_HASH)).encode()).hexdigest()
    digest = _DIGESTS.get(length)
    return hmac.new(secret.encode(), said.encode(), digest).hexdigest() if digest else "-"


VONAGE = Provider(
    name="vonage",
    statuses={
        "submitted": Status.SENT,
        "accepted": Status.SENT,
        "buffered": Status.DEFERRED,
        "delivered": Status.DELIVERED,
        "read": Status.READ,
        "failed": Status.FAILED,
        "rejected": Status.FAILED,
        "expired": Status.FAILED,
        "undeliverable": Status.FAILED,
    },
    parse=parse,
    hook=Hook(
        verify=verify,
        headers=("authorization",),
        methods=("POST", "GET"),
        content_types=(JSON, FORM),
        max_body_bytes=256 << 10,
    ),
)
