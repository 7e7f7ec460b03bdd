"""Web Push: the browser's own service takes an encrypted message (RFC 8030), signed by VAPID (RFC 8292).

Encryption: aes128gcm (RFC 8188) with the keys of the subscription (RFC 8291). `to` is the subscription as JSON.
"""

import os
import time
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

import msgspec
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from flows.connectors.calls import Answer, Call
from flows.connectors.http import HttpConnector, by_status, refusal, taken
from flows.connectors.kind import Kind
from flows.connectors.tokens import load_key, padded, unpadded, write_token
from flows.sending.outgoing import Outcome, Outgoing, Reaction
from schemas.echo import ECHO_NAME
from schemas.errors import UsageError

ERRORS = {
    400: Reaction.FAIL,
    401: Reaction.PAGE,
    403: Reaction.PAGE,
    404: Reaction.SUPPRESS,
    410: Reaction.SUPPRESS,
    413: Reaction.FAIL,
    429: Reaction.THROTTLED,
    503: Reaction.RETRY,
}
LARGEST_PAYLOAD = 3993
"""Bytes that fit a record of 4096 (RFC 8291, 4)."""
_TOKEN_LASTS_S = 6 * 3600
_MOST_ORIGINS = 1000


class WebPush(HttpConnector):
    """`sender` is the contact of the VAPID claim, a mailto: or https: address."""

    http2 = True

    def __init__(self, connection: Mapping[str, str], timeout_s: float) -> None:
        super().__init__(timeout_s)
        key = load_key("private_key", connection["private_key"])
        if not isinstance(key, ec.EllipticCurvePrivateKey) or not isinstance(key.curve, ec.SECP256R1):
            raise UsageError("private_key: VAPID takes a P-256 key")
        self._key = key
        self._public = unpadded(_point(key.public_key()))
        self._insecure = connection.get("allow_http") == "true"
        self._tokens: dict[tuple[str, str], tuple[str, float]] = {}

    def call(self, message: Outgoing) -> Call:
        """Raises ValueError for what is no subscription."""
        try:
            subscription = msgspec.json.decode(message.to)
            endpoint, keys = str(subscription["endpoint"]), subscription["keys"]
            receiver, secret = padded(keys["p256dh"]), padded(keys["auth"])
        except (msgspec.DecodeError, KeyError, TypeError, AttributeError):
            raise ValueError("no push subscription") from None
        parts = urlsplit(endpoint)
        if parts.scheme != "https" and not self._insecure:
            raise ValueError("the endpoint is not https")
        payload = msgspec.json.encode(_payload(message))
        if len(payload) > LARGEST_PAYLOAD:
            raise ValueError(f"{len(payload)} bytes; at most {LARGEST_PAYLOAD}")
        token = self._token(f"{parts.scheme}://{parts.netloc}", message.sender)
        headers = (
            ("authorization", f"vapid t={token}, k={self._public}"),
            ("content-encoding", "aes128gcm"),
            ("content-type", "application/octet-stream"),
            ("ttl", str(message.expires_s or 86_400)),
        )
        own = ec.generate_private_key(ec.SECP256R1())
        return Call(endpoint, encrypt(payload, receiver, secret, os.urandom(16), own), headers)

    def _token(self, origin: str, contact: str) -> str:
        """One for each push service and contact; subscriptions choose the service, so that their number is bounded."""
        token, until = self._tokens.get((origin, contact), ("", 0.0))
        if time.time() >= until:
            if len(self._tokens) >= _MOST_ORIGINS:
                self._tokens.clear()
            now = int(time.time())
            claims = {"aud": origin, "exp": now + 2 * _TOKEN_LASTS_S, "sub": contact}
            token, until = write_token(claims, self._key), now + _TOKEN_LASTS_S
            self._tokens[origin, contact] = token, until
        return token

    def outcome(self, answer: Answer) -> Outcome:
        if answer.status in (200, 201, 202):
            return taken(answer.headers.get("location"))
        if answer.status not in ERRORS:
            return by_status(answer)
        return refusal(str(answer.status), ERRORS[answer.status], answer, answer.body[:200].decode(errors="replace"))


def _payload(message: Outgoing) -> dict[str, Any]:
    return {"title": message.subject, "body": message.text, ECHO_NAME: message.echo}


def _point(key: ec.EllipticCurvePublicKey) -> bytes:
    return key.public_bytes(serialization.Encoding.X962, serialization.PublicFormat.UncompressedPoint)


def encrypt(payload: bytes, receiver: bytes, secret: bytes, salt: bytes, own: ec.EllipticCurvePrivateKey) -> bytes:
    """One record (RFC 8291, 3.4; RFC 8188, 2): `receiver` is p256dh, `secret` auth; raises ValueError."""
    shared = own.exchange(ec.ECDH(), ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), receiver))
    sender = _point(own.public_key())
    ikm = _derive(shared, secret, b"WebPush: info\0" + receiver + sender, 32)
    key = _derive(ikm, salt, b"Content-Encoding: aes128gcm\0", 16)
    nonce = _derive(ikm, salt, b"Content-Encoding: nonce\0", 12)
    sealed = AESGCM(key).encrypt(nonce, payload + b"\x02", None)
    return salt + (4096).to_bytes(4) + bytes([len(sender)]) + sender + sealed


def _derive(secret: bytes, salt: bytes, info: bytes, length: int) -> bytes:
    return HKDF(hashes.SHA256(), length, salt, info).derive(secret)


KIND = Kind(
    name="web_push",
    channels=("webpush",),
    make=WebPush,
    needs=("private_key",),
    may=("allow_http",),
    reports_as="push",
)
