"""Messages to send, and answers as providers document them."""

from typing import Any

import msgspec
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from flows.connectors.calls import Answer
from flows.sending.outgoing import Outgoing

ECHO = "autumn~1234~2~1793400000000"


def message(**changes: Any) -> Outgoing:
    told = {
        "campaign_id": "autumn",
        "seq": 1234,
        "attempt": 2,
        "sent_at": 1_793_400_000_000,
        "to": "+491701234567",
        "sender": "+4930901820",
        "text": "Grüße",
    }
    return Outgoing(**(told | changes))


def answer(status: int, body: Any = None, **headers: str) -> Answer:
    content = b"" if body is None else body if isinstance(body, bytes) else msgspec.json.encode(body)
    return Answer(status, {name.replace("_", "-"): text for name, text in headers.items()}, content)


def _pem(key: ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey) -> str:
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    ).decode()


EC_KEY = ec.generate_private_key(ec.SECP256R1())
EC_PEM = _pem(EC_KEY)
RSA_KEY = rsa.generate_private_key(65537, 2048)
RSA_PEM = _pem(RSA_KEY)
CONNECTIONS: dict[str, dict[str, str]] = {
    "meta_whatsapp": {"token": "EAAG"},
    "twilio": {"account_sid": "AC1", "auth_token": "t", "callback": "https://us.example/webhooks/twilio"},
    "sendgrid": {"api_key": "SG.x"},
    "ses_sns": {"region": "eu-west-1", "access_key_id": "AKIDEXAMPLE", "secret_access_key": "s"},
    "smtp": {"host": "localhost"},
    "fcm": {"client_email": "a@b.iam.gserviceaccount.com", "private_key": RSA_PEM},
    "apns": {"team_id": "T", "key_id": "K", "private_key": EC_PEM},
    "web_push": {"private_key": EC_PEM},
    "infobip": {"api_key": "k"},
    "vonage": {"api_key": "k", "api_secret": "s"},
    "gupshup": {"token": "sk_1"},
    "http": {"url": "https://us.example/send"},
    "dry": {},
}
