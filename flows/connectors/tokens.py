"""JSON Web Tokens (RFC 7519) as push providers ask for them, signed with keys as their consoles hand them out."""

import base64
import time
from collections.abc import Callable, Mapping
from typing import Any

import msgspec
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature

from schemas.errors import UsageError

PrivateKey = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey
Clock = Callable[[], float]


def load_key(name: str, pem: str) -> PrivateKey:
    """Raises UsageError that calls the field `name`; newlines may be written as \\n, as in JSON."""
    try:
        key = serialization.load_pem_private_key(pem.replace("\\n", "\n").encode(), None)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        raise UsageError(f"{name}: no private key in PEM") from None
    if not isinstance(key, ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey):
        raise UsageError(f"{name}: neither an elliptic-curve nor an RSA key")
    return key


def unpadded(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def padded(text: str) -> bytes:
    """Raises ValueError."""
    return base64.urlsafe_b64decode(text.strip() + "=" * (-len(text.strip()) % 4))


def write_token(claims: Mapping[str, Any], key: PrivateKey, **header: str) -> str:
    """ES256 or RS256, as the key is."""
    algorithm = "RS256" if isinstance(key, rsa.RSAPrivateKey) else "ES256"
    head = {"alg": algorithm, "typ": "JWT", **header}
    text = f"{unpadded(msgspec.json.encode(head))}.{unpadded(msgspec.json.encode(claims))}"
    return f"{text}.{unpadded(_signature(key, text.encode()))}"


def _signature(key: PrivateKey, text: bytes) -> bytes:
    if isinstance(key, rsa.RSAPrivateKey):
        return key.sign(text, padding.PKCS1v15(), hashes.SHA256())
    r, s = decode_dss_signature(key.sign(text, ec.ECDSA(hashes.SHA256())))
    return r.to_bytes(32) + s.to_bytes(32)


class Kept:
    """A token that is made anew when it has grown old."""

    def __init__(self, make: Callable[[float], str], lasts_s: float, clock: Clock = time.time) -> None:
        self._make = make
        self._lasts_s = lasts_s
        self._clock = clock
        self._token = ""
        self._made_at = 0.0

    def token(self) -> str:
        now = self._clock()
        if not self._token or now - self._made_at > self._lasts_s:
            self._token, self._made_at = self._make(now), now
        return self._token

    def forget(self) -> None:
        self._token = ""
