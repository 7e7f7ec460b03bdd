"""MessageBird (Bird): a status report is a GET with one status in its query.

Format: https://developers.messagebird.com/api/sms-messaging/#handle-a-status-report
(id, status) names an event.
"""

import base64
import hashlib
import hmac
from collections.abc import Sequence
from urllib.parse import parse_qsl, urlencode

from flows.providers.fields import MAX_FIELDS, echo_of, fields_of, iso_ms, needed
from flows.providers.provider import Provider, Reported, Request
from flows.providers.signing import FORM, JSON, Hook, Signed, Verdict, jwt_claims, query_in, sha256_is, verdict
from schemas.statuses import Status

_JWT = "messagebird-signature-jwt"
_SIGNATURE = "messagebird-signature"
_TIMESTAMP = "messagebird-request-timestamp"
_ALGORITHMS = ("HS256", "HS384", "HS512")
_LEEWAY_S = 1


def parse(request: Request) -> list[Reported]:
    """The status of an outbound message; a request without one gives none. Raises BadRecord."""
    fields = fields_of(request)
    if not fields.get("status"):
        return []
    code = fields.get("statusErrorCode", "")
    return [
        Reported(
            raw_status=fields["status"],
            event_time=iso_ms(fields.get("statusDatetime"), "statusDatetime"),
            provider_message_id=needed(fields, "id"),
            recipient=fields.get("recipient"),
            error_code=None if code in ("", "0") else code,
            echo=echo_of(request) or fields.get("reference"),
        )
    ]


def verify(signed: Signed, secrets: Sequence[str]) -> Verdict:
    """`MessageBird-Signature-JWT` over the URL and the body, or the older `MessageBird-Signature`.

    https://developers.messagebird.com/api/#verifying-http-requests
    """
    keys = [secret.encode() for secret in secrets]
    if token := signed.headers.get(_JWT):
        claims = jwt_claims(token, keys, _ALGORITHMS)
        return verdict(claims is not None and _covers(claims, signed))
    try:
        given = base64.b64decode(signed.headers.get(_SIGNATURE, ""), validate=True)
        said = _said(signed)
    except ValueError:
        return Verdict.WRONG
    return verdict(any(hmac.compare_digest(hmac.digest(key, said, "sha256"), given) for key in keys))


def _covers(claims: dict[str, object], signed: Signed) -> bool:
    begins, ends = claims.get("nbf"), claims.get("exp")
    return (
        claims.get("iss") == "MessageBird"
        and isinstance(begins, int | float)
        and isinstance(ends, int | float)
        and begins - _LEEWAY_S <= signed.now_s <= ends + _LEEWAY_S
        and sha256_is(signed.url.encode(), claims.get("url_hash"))
        and ("payload_hash" in claims) == bool(signed.body)
        and (not signed.body or sha256_is(signed.body, claims["payload_hash"]))
    )


def _said(signed: Signed) -> bytes:
    """The older scheme: time, sorted query, SHA-256 of the body; no window is documented for it."""
    query = query_in(signed.url)
    pairs = sorted(parse_qsl(query, keep_blank_values=True, max_num_fields=MAX_FIELDS, errors="strict"))
    head = f"{signed.headers.get(_TIMESTAMP, '')}\n{urlencode(pairs)}\n"
    return head.encode() + hashlib.sha256(signed.body).digest()


MESSAGEBIRD = Provider(
    name="messagebird",
    statuses={
        "scheduled": Status.ACCEPTED,
        "sent": Status.SENT,
        "buffered": Status.DEFERRED,
        "delivered": Status.DELIVERED,
        "expired": Status.FAILED,
        "delivery_failed": Status.FAILED,
    },
    parse=parse,
    hook=Hook(
        verify=verify,
        headers=(_JWT, _SIGNATURE, _TIMESTAMP),
        signs_url=True,
        methods=("GET", "POST"),
        content_types=(FORM, JSON),
        max_body_bytes=64 << 10,
    ),
)
