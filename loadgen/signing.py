"""Requests as each provider signs them, with code of the generator's own: it shares none with what verifies them.

    sign("twilio", body, url=url, secret="auth token", content_type=FORM)   # headers to send, Content-Type among them

What is signed how: https://www.twilio.com/docs/usage/security, https://www.standardwebhooks.com,
https://developers.facebook.com/docs/graph-api/webhooks, https://developers.messagebird.com/api/#verifying-http-requests,
https://docs.aws.amazon.com/sns/latest/dg/sns-verify-signature-of-message-verify-message-signature.html and the pages
that `docs/webhooks.md` names.
"""

import base64
import hashlib
import hmac
import json
import time
import uuid
from collections.abc import Callable
from functools import lru_cache
from urllib.parse import parse_qsl, urlsplit, urlunsplit

from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa

from schemas.errors import UsageError

JSON = "application/json"
FORM = "application/x-www-form-urlencoded"
Headers = dict[str, str]


def sign(
    provider: str, body: bytes, *, secret: str, url: str = "", content_type: str = JSON, now_s: float | None = None
) -> Headers:
    """The headers of a POST with `body` to `url`, or of a GET where there is none.

    `secret` is what the provider holds: a shared text, for SendGrid the private key as PEM, for HTTP Basic
    `user:password`. SNS and Vonage's SMS sign within the body or the query: `sign_sns`, `sign_vonage_sms`.
    """
    if provider not in _SCHEMES:
        raise UsageError(f"no scheme to sign as {provider!r}; there are {', '.join(_SCHEMES)}")
    at_s = time.time() if now_s is None else now_s
    headers = {"Content-Type": content_type} if body else {}
    return headers | _SCHEMES[provider](body, secret, url, content_type, at_s)


def _meta(body: bytes, secret: str, _url: str, _content_type: str, _now_s: float) -> Headers:
    mac = hmac.new(secret.encode(), body, hashlib.sha256)
    return {"X-Hub-Signature-256": f"sha256={mac.hexdigest()}"}


def _twilio(body: bytes, secret: str, url: str, content_type: str, _now_s: float) -> Headers:
    """The URL is to hold `bodySHA256` (`twilio_json_url`) where the body is JSON."""
    text = url
    if content_type.startswith(FORM):
        fields: dict[str, set[str]] = {}
        for name, value in parse_qsl(body.decode(), keep_blank_values=True):
            fields.setdefault(name, set()).add(value)
        for name in sorted(fields):
            text += "".join(name + value for value in sorted(fields[name]))
    mac = hmac.new(secret.encode(), text.encode(), hashlib.sha1)
    return {"X-Twilio-Signature": base64.b64encode(mac.digest()).decode()}


def twilio_json_url(url: str, body: bytes) -> str:
    """`url` with the hash of a JSON body, as Twilio calls it."""
    parts = urlsplit(url)
    added = f"bodySHA256={hashlib.sha256(body).hexdigest()}"
    return urlunsplit(parts._replace(query=f"{parts.query}&{added}" if parts.query else added))


def _sendgrid(body: bytes, secret: str, _url: str, _content_type: str, now_s: float) -> Headers:
    stamp = str(int(now_s))
    signature = _private_key(secret).sign(stamp.encode() + body, ec.ECDSA(hashes.SHA256()))
    return {
        "X-Twilio-Email-Event-Webhook-Signature": base64.b64encode(signature).decode(),
        "X-Twilio-Email-Event-Webhook-Timestamp": stamp,
    }


@lru_cache
def _private_key(pem: str) -> ec.EllipticCurvePrivateKey:
    key = serialization.load_pem_private_key(pem.encode(), None)
    assert isinstance(key, ec.EllipticCurvePrivateKey)
    return key


def sendgrid_keys(number: int | None = None) -> tuple[str, str]:
    """A private key as PEM, new or made of `number`, and its verification key as SendGrid's console shows it."""
    curve = ec.SECP256R1()
    key = ec.generate_private_key(curve) if number is None else ec.derive_private_key(number, curve)
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    public = key.public_key().public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
    return private.decode(), base64.b64encode(public).decode()


def _vonage(body: bytes, secret: str, _url: str, _content_type: str, now_s: float) -> Headers:
    claims = {"iat": int(now_s), "jti": str(uuid.uuid4()), "iss": "Vonage", "api_key": "a1b2c3d"}
    claims["payload_hash"] = hashlib.sha256(body).hexdigest()
    return {"Authorization": f"Bearer {_jwt(claims, secret)}"}


def sign_vonage_sms(fields: dict[str, str], secret: str, now_s: float | None = None) -> dict[str, str]:
    """`fields` with `timestamp` and `sig`, SHA-256 HMAC, to go into a query, a form or JSON."""
    stamped = fields | {"timestamp": str(int(time.time() if now_s is None else now_s))}
    plain = {name: value.replace("&", "_").replace("=", "_") for name, value in stamped.items()}
    text = "".join(f"&{name}={plain[name]}" for name in sorted(plain))
    return stamped | {"sig": hmac.new(secret.encode(), text.encode(), hashlib.sha256).hexdigest().upper()}


def _messagebird(body: bytes, secret: str, url: str, _content_type: str, now_s: float) -> Headers:
    claims: dict[str, object] = {"iss": "MessageBird", "nbf": int(now_s), "exp": int(now_s) + 60}
    claims |= {"jti": str(uuid.uuid4()), "url_hash": hashlib.sha256(url.encode()).hexdigest()}
    if body:
        claims["payload_hash"] = hashlib.sha256(body).hexdigest()
    return {"MessageBird-Signature-JWT": _jwt(claims, secret)}


def _jwt(claims: dict[str, object] | dict[str, str], secret: str) -> str:
    parts = [_unpadded(json.dumps(part).encode()) for part in ({"alg": "HS256", "typ": "JWT"}, claims)]
    mac = hmac.new(secret.encode(), ".".join(parts).encode(), hashlib.sha256)
    return ".".join([*parts, _unpadded(mac.digest())])


def _unpadded(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def _standard(body: bytes, secret: str, _url: str, _content_type: str, now_s: float) -> Headers:
    named, stamp = f"msg_{uuid.uuid4().hex}", str(int(now_s))
    mac = hmac.new(base64.b64decode(secret.removeprefix("whsec_")), digestmod=hashlib.sha256)
    mac.update(f"{named}.{stamp}.".encode() + body)
    signature = f"v1,{base64.b64encode(mac.digest()).decode()}"
    return {"webhook-id": named, "webhook-timestamp": stamp, "webhook-signature": signature}


def _basic(_body: bytes, secret: str, _url: str, _content_type: str, _now_s: float) -> Headers:
    return {"Authorization": f"Basic {base64.b64encode(secret.encode()).decode()}"}


def sign_sns(message: dict[str, str], key: rsa.RSAPrivateKey) -> dict[str, str]:
    """An SNS envelope with the signature of its `SignatureVersion` (default 2) added."""
    envelope = {"SignatureVersion": "2"} | message
    names = ["Message", "MessageId", "Subject", "SubscribeURL", "Timestamp", "Token", "TopicArn", "Type"]
    if envelope["Type"] == "Notification":
        names = [name for name in names if name not in ("SubscribeURL", "Token")]
    text = "".join(f"{name}\n{envelope[name]}\n" for name in names if name in envelope)
    digest = hashes.SHA256() if envelope["SignatureVersion"] == "2" else hashes.SHA1()
    signature = key.sign(text.encode(), padding.PKCS1v15(), digest)
    return envelope | {"Signature": base64.b64encode(signature).decode()}


_SCHEMES: dict[str, Callable[[bytes, str, str, str, float], Headers]] = {
    "meta_whatsapp": _meta,
    "twilio": _twilio,
    "sendgrid": _sendgrid,
    "vonage": _vonage,
    "messagebird": _messagebird,
    "canonical": _standard,
    "infobip": _basic,
    "gupshup": _basic,
    "push": _basic,
}
