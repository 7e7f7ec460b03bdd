"""What a provider's signature covers, what checking it comes to, and the schemes that several of them share.

Nothing here tells why a signature failed: whoever guesses at one learns no more than that it is wrong.
"""

import base64
import hashlib
import hmac
from collections.abc import Callable, Mapping, Sequence
from enum import Enum
from typing import Any

import msgspec
from msgspec import Struct

JSON = "application/json"
FORM = "application/x-www-form-urlencoded"
TEXT = "text/plain"


class Verdict(Enum):
    """What a check of a request came to."""

    VALID = "valid"
    WRONG = "wrong"
    UNSIGNED = "unsigned"
    """Its provider may have failed to sign it, and sends it again, signed, when the answer is 5xx."""


class Signed(Struct, frozen=True, kw_only=True):
    """One HTTP request as its provider sent it.

    `url` is the whole address as the provider knows it, `headers` those that the provider's `Hook` names, their names
    in lower case; `token` what follows the provider's name in the path.
    """

    method: str = "POST"
    url: str = ""
    headers: Mapping[str, str] = {}
    body: bytes = b""
    token: str = ""
    now_s: float


def query_in(url: str) -> str:
    """As it was sent: `urlsplit` drops characters, and raises for hosts that it doesn't like."""
    return url.partition("?")[2].partition("#")[0]


def verdict(valid: bool) -> Verdict:
    return Verdict.VALID if valid else Verdict.WRONG


def same(left: str, right: str) -> bool:
    """In constant time for texts of one length."""
    return hmac.compare_digest(left.encode("utf-8", "surrogatepass"), right.encode("utf-8", "surrogatepass"))


def verify_shared(signed: Signed, secrets: Sequence[str]) -> Verdict:
    """For those that sign nothing: the secret is the last part of the path, or `user:password` of HTTP Basic."""
    scheme, _, credentials = signed.headers.get("authorization", "").partition(" ")
    given = {signed.token, _decoded(credentials.strip()) if scheme.lower() == "basic" else ""} - {""}
    return verdict(any(same(text, secret) for text in given for secret in secrets))


def _decoded(credentials: str) -> str:
    try:
        return base64.b64decode(credentials, validate=True).decode()
    except ValueError:
        return ""


class Hook(Struct, frozen=True, eq=False, kw_only=True):
    """How a provider calls back, and how that is checked.

    `key` turns a configured secret into what `verify` takes many of; it raises ValueError, without the secret in it,
    for one that can't be used. `headers` is what `verify` reads, stored with the body unless `headers_are_secret`; so
    is the address where it `signs_url`.
    `challenge` gives the text to answer a GET that asks whether we are who we are: None where it asks something else.
    """

    verify: Callable[[Signed, Sequence[Any]], Verdict] = verify_shared
    key: Callable[[str], Any] = str
    headers: tuple[str, ...] = ("authorization",)
    headers_are_secret: bool = False
    signs_url: bool = False
    methods: tuple[str, ...] = ("POST",)
    content_types: tuple[str, ...] = (JSON,)
    max_body_bytes: int = 1 << 20
    challenge: Callable[[Signed], str | None] | None = None


SHARED_SECRET = Hook(headers_are_secret=True)

_JWT_DIGESTS = {"HS256": "sha256", "HS384": "sha384", "HS512": "sha512"}
_objects = msgspec.json.Decoder(dict[str, Any])


def jwt_claims(token: str, keys: Sequence[bytes], algorithms: Sequence[str]) -> dict[str, Any] | None:
    """The claims of a JWT (RFC 7519) signed with one of `keys` by one of the HMAC `algorithms`, else None."""
    signed, _, signature = token.rpartition(".")
    header, _, claims = signed.partition(".")
    try:
        algorithm = str(_objects.decode(_base64url(header)).get("alg"))
        if algorithm not in algorithms:
            return None
        digests = [hmac.digest(key, signed.encode(), _JWT_DIGESTS[algorithm]) for key in keys]
        if not any(hmac.compare_digest(digest, _base64url(signature)) for digest in digests):
            return None
        return _objects.decode(_base64url(claims))
    except (ValueError, RecursionError, msgspec.MsgspecError):
        return None


def _base64url(text: str) -> bytes:
    return base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)


def sha256_is(data: bytes, claimed: object) -> bool:
    """Whether `claimed` is the hexadecimal SHA-256 of `data`."""
    return isinstance(claimed, str) and same(hashlib.sha256(data).hexdigest(), claimed)
