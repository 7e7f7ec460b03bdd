"""Requests of every provider, signed by the generator, for the providers' verifiers to judge."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import NamedTuple
from urllib.parse import urlencode

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from flows.providers import Signed
from flows.providers.signing import FORM, JSON, TEXT
from loadgen.signing import sendgrid_keys, sign, sign_sns, sign_vonage_sms, twilio_json_url

NOW_S = 1_793_500_000.0
HOOKS = "https://hooks.example.com/webhooks"
CERTIFICATE_URL = "https://sns.eu-central-1.amazonaws.com/SimpleNotificationService-1.pem"
TOPIC = "arn:aws:sns:eu-central-1:111122223333:ses"
SES_EVENT = {
    "eventType": "Delivery",
    "mail": {"messageId": "m", "timestamp": "2026-11-01T10:00:00.000Z", "destination": ["a@example.org"]},
    "delivery": {"timestamp": "2026-11-01T10:00:05.250Z", "recipients": ["a@example.org"]},
}
_SMS = {"messageId": "0A1", "status": "delivered", "msisdn": "49151", "message-timestamp": "2026-11-01 10:00:05"}
_META = '{"entry":[{"changes":[{"field":"messages","value":{"statuses":[{"id":"w","status":"sent"}]}}]}]}'


class Case(NamedTuple):
    """A request, and the secret that its verifier is configured with."""

    provider: str
    secret: str
    signed: Signed
    content_type: str = JSON


def certificate(key: rsa.RSAPrivateKey) -> str:
    """Signed by itself, PEM."""
    name = x509.Name([x509.NameAttribute(x509.oid.NameOID.COMMON_NAME, "sns.amazonaws.com")])
    begins = datetime(2026, 1, 1, tzinfo=UTC)
    built = x509.CertificateBuilder(name, name, key.public_key(), 1, begins, begins + timedelta(days=9999))
    return built.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM).decode()


def sns_envelope(key: rsa.RSAPrivateKey, message: str = json.dumps(SES_EVENT), **changes: str) -> dict[str, str]:
    envelope = {
        "Type": "Notification",
        "MessageId": "msg-1",
        "TopicArn": TOPIC,
        "Message": message,
        "Timestamp": "2026-11-01T10:00:06.100Z",
        "SigningCertURL": CERTIFICATE_URL,
    }
    return sign_sns(envelope | changes, key)


def cases() -> Iterator[Case]:
    yield _case("meta_whatsapp", "app secret", _META)
    form = urlencode({"MessageSid": "SM1", "MessageStatus": "sent", "To": "+1 5", "Empty": ""})
    yield _case("twilio", "auth token", form, f"{HOOKS}/twilio?tidemark=autumn~1~1~5", FORM)
    streamed = '[{"type":"com.twilio.messaging.message.sent","data":{"messageSid":"SM1","messageStatus":"SENT"}}]'
    yield _case("twilio", "auth token", streamed, twilio_json_url(f"{HOOKS}/twilio?a=1", streamed.encode()))
    private, public = sendgrid_keys()
    events = '[{"event":"delivered","email":"a@example.org","sg_message_id":"x.filter1"}]\r\n'
    yield _case("sendgrid", public, events, signing=private)
    yield _case("vonage", "signature secret", '{"message_uuid":"u1","status":"read","to":"49151"}')
    query = urlencode(sign_vonage_sms(_SMS, "signature secret", NOW_S))
    yield Case("vonage", "signature secret", Signed(method="GET", url=f"{HOOKS}/vonage?{query}", now_s=NOW_S))
    sms = json.dumps(sign_vonage_sms(_SMS, "signature secret", NOW_S))
    yield Case("vonage", "signature secret", Signed(url=f"{HOOKS}/vonage", body=sms.encode(), now_s=NOW_S))
    yield _case("messagebird", "signing key", "", f"{HOOKS}/messagebird?id=1&status=sent")
    yield _case("canonical", "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", '{"status":"sent","provider_message_id":"m"}')
    for version in ("1", "2"):
        key = rsa.generate_private_key(65537, 2048)
        body = json.dumps(sns_envelope(key, SignatureVersion=version, Subject="S"), indent=2)
        yield Case("ses_sns", certificate(key), Signed(body=body.encode(), now_s=NOW_S), TEXT)
    yield _case("infobip", "user:password", '{"results":[{"messageId":"m","status":{"groupName":"DELIVERED"}}]}')
    yield _case("gupshup", "user:password", '{"type":"message-event","payload":{"type":"sent","gsId":"g"}}')
    yield _case("push", "user:password", "[]")


def _case(
    provider: str, secret: str, body: str, url: str = "", content_type: str = JSON, signing: str | None = None
) -> Case:
    url = url or f"{HOOKS}/{provider}"
    headers = sign(provider, body.encode(), secret=signing or secret, url=url, content_type=content_type, now_s=NOW_S)
    lower = {name.lower(): text for name, text in headers.items()}
    method = "POST" if body else "GET"
    signed = Signed(method=method, url=url, headers=lower, body=body.encode(), now_s=NOW_S)
    return Case(provider, secret, signed, content_type)


CASES = list(cases())
CASE_IDS = [f"{case.provider}-{number}" for number, case in enumerate(CASES)]
COVERS_BODY = [case for case in CASES if case.provider not in ("infobip", "gupshup", "push")]
"""The others prove who sends, not what."""
