"""A provider's request, as somebody saved it: a bare body, a whole HTTP message, or an envelope of topic `webhook`."""

import base64
from pathlib import PurePath
from typing import NamedTuple

import msgspec

from flows.providers import Request, Signed
from flows.providers.signing import FORM, JSON
from schemas.errors import UsageError
from schemas.events import Envelope

RECEIPT_ID = "inspect"
NEVER_MS = 2**53
"""A receive time that no provider names, so that a time which a body has can't be taken for it."""
_QUERY = ".query"
_CONTENT_TYPES = {".json": JSON, ".ndjson": JSON, ".form": FORM}
_envelopes = msgspec.json.Decoder(Envelope)


class Captured(NamedTuple):
    """The same request for a parser, and for a verifier."""

    request: Request
    signed: Signed


def bare_body(provider: str, name: str, body: bytes, content_type: str = "") -> Request:
    """What `name` ends in tells what it holds: `.json`, `.ndjson`, `.form`, or `.query`, what stands behind the `?`."""
    suffix = PurePath(name).suffix
    is_query = suffix == _QUERY and not content_type
    return _request(
        provider,
        b"" if is_query else body,
        "?" + body.decode(errors="replace").strip() if is_query else "",
        content_type or _CONTENT_TYPES.get(suffix, ""),
    )


def saved_request(provider: str, data: bytes, public_url: str, now_ms: int) -> Captured:
    """An envelope, verified as of the time that it was received, or an HTTP/1.1 request (RFC 9112), as of `now_ms`.

    Raises UsageError.
    """
    return (
        _of_envelope(provider, data) if data.lstrip()[:1] == b"{" else _of_message(provider, data, public_url, now_ms)
    )


def _of_envelope(provider: str, data: bytes) -> Captured:
    try:
        envelope = _envelopes.decode(data)
        body = base64.b64decode(envelope.body_base64 or "") if envelope.body is None else envelope.body.encode()
    except (msgspec.MsgspecError, ValueError, RecursionError) as error:
        raise UsageError(f"neither an HTTP request nor an envelope: {error}") from None
    signed = Signed(
        method=envelope.method,
        url=envelope.url,
        headers=envelope.headers | {"content-type": envelope.content_type},
        body=body,
        now_s=envelope.received_at / 1000,
    )
    return Captured(_request(provider, body, envelope.url, envelope.content_type), signed)


def _of_message(provider: str, data: bytes, public_url: str, now_ms: int) -> Captured:
    head, _, body = data.partition(b"\r\n\r\n") if b"\r\n\r\n" in data else data.partition(b"\n\n")
    request_line, *lines = head.decode("latin-1").splitlines() or [""]
    method, target, version = (*request_line.split(" "), "", "", "")[:3]
    if not version.startswith("HTTP/"):
        raise UsageError("neither an HTTP request (its first line is `POST /webhooks/… HTTP/1.1`) nor an envelope")
    headers = {name.strip().lower(): text.strip() for name, _, text in (line.partition(":") for line in lines)}
    origin = "" if "://" in target else public_url or f"https://{headers.get('host', 'localhost')}"
    signed = Signed(method=method, url=origin + target, headers=headers, body=body, now_s=now_ms / 1000)
    return Captured(_request(provider, body, signed.url, headers.get("content-type", "")), signed)


def _request(provider: str, body: bytes, url: str, content_type: str) -> Request:
    return Request(
        receipt_id=RECEIPT_ID,
        provider=provider,
        received_at=NEVER_MS,
        url=url,
        content_type=content_type,
        body_base64=base64.b64encode(body).decode(),
    )
