"""Each connector's request, field by field, as its provider documents it; our ids stand where they are echoed."""

import base64
from datetime import UTC, datetime
from typing import Any
from urllib.parse import parse_qs

import msgspec
import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from flows.connectors import CONNECTORS, open_connector
from flows.connectors.calls import Call
from flows.connectors.fcm import Fcm
from flows.connectors.http import HttpConnector
from flows.connectors.ses import sign
from flows.connectors.smtp import write_mail
from flows.connectors.tokens import padded, unpadded
from flows.connectors.web_push import WebPush
from schemas.echo import read_echo, read_tag
from tests.connectors.messages import CONNECTIONS, EC_KEY, ECHO, RSA_KEY, message


def call(provider: str, connection: dict[str, str] | None = None, **changes: Any) -> Call:
    connector = open_connector(provider, CONNECTIONS[provider] | (connection or {}), 5.0)
    assert isinstance(connector, HttpConnector)
    return connector.call(message(**changes))


def body(made: Call) -> Any:
    return msgspec.json.decode(made.body)


def test_every_connector_has_a_connection_that_these_tests_know() -> None:
    assert CONNECTIONS.keys() == CONNECTORS.keys()


def test_whatsapp_text() -> None:
    made = call("meta_whatsapp", sender="106540352242922")
    assert made.url == "https://graph.facebook.com/v24.0/106540352242922/messages"
    assert dict(made.headers)["authorization"] == "Bearer EAAG"
    assert body(made) == {
        "messaging_product": "whatsapp",
        "recipient_type": "individual",
        "to": "491701234567",
        "biz_opaque_callback_data": ECHO,
        "type": "text",
        "text": {"preview_url": False, "body": "Grüße"},
    }


def test_whatsapp_template_with_parameters() -> None:
    made = body(call("meta_whatsapp", text="", template="offer", language="de", parameters=("Ada", "5 €")))
    assert made["type"] == "template"
    assert made["template"] == {
        "name": "offer",
        "language": {"code": "de"},
        "components": [
            {"type": "body", "parameters": [{"type": "text", "text": "Ada"}, {"type": "text", "text": "5 €"}]}
        ],
    }


def test_gupshup_passes_metas_body_through() -> None:
    made = call("gupshup", sender="app-1")
    assert made.url == "https://partner.gupshup.io/partner/app/app-1/v3/message"
    assert body(made)["biz_opaque_callback_data"] == ECHO


def test_twilio_form_with_the_echo_on_its_callback() -> None:
    made = call("twilio")
    form = parse_qs(made.body.decode())
    assert made.url == "https://api.twilio.com/2010-04-01/Accounts/AC1/Messages.json"
    assert dict(made.headers)["authorization"] == f"Basic {base64.b64encode(b'AC1:t').decode()}"
    assert form["To"] == ["+491701234567"]
    assert form["From"] == ["+4930901820"]
    assert form["Body"] == ["Grüße"]
    assert form["StatusCallback"] == [f"https://us.example/webhooks/twilio?tidemark={ECHO}"]


def test_twilio_whatsapp_by_content_template_and_messaging_service() -> None:
    made = call("twilio", {"prefix": "whatsapp:"}, text="", template="HX1", parameters=("Ada",), expires_s=60)
    form = parse_qs(made.body.decode())
    assert form["To"] == ["whatsapp:+491701234567"]
    assert form["From"] == ["whatsapp:+4930901820"]
    assert form["ContentSid"] == ["HX1"]
    assert form["ContentVariables"] == ['{"1":"Ada"}']
    service = parse_qs(call("twilio", sender="MG9", expires_s=60).body.decode())
    assert service["MessagingServiceSid"] == ["MG9"]
    assert service["ValidityPeriod"] == ["60"]
    assert "From" not in service


def test_sendgrid_mail_and_dynamic_template() -> None:
    made = body(call("sendgrid", to="a@b.example", sender="us@c.example", subject="S", html="<b>G</b>"))
    assert made == {
        "personalizations": [{"to": [{"email": "a@b.example"}], "custom_args": {"tidemark": ECHO}}],
        "from": {"email": "us@c.example"},
        "subject": "S",
        "content": [{"type": "text/plain", "value": "Grüße"}, {"type": "text/html", "value": "<b>G</b>"}],
    }
    dynamic = body(call("sendgrid", text="", template="d-1", parameters=("x",)))
    assert dynamic["template_id"] == "d-1"
    assert dynamic["personalizations"][0]["dynamic_template_data"] == {"p1": "x"}


def test_ses_mail_with_our_tag_and_a_signature() -> None:
    made = call("ses_sns", {"configuration_set": "cs"}, to="a@b.example", sender="us@c.example", subject="S")
    assert made.url == "https://email.eu-west-1.amazonaws.com/v2/email/outbound-emails"
    sent = body(made)
    assert sent["FromEmailAddress"] == "us@c.example"
    assert sent["Destination"] == {"ToAddresses": ["a@b.example"]}
    assert sent["Content"]["Simple"]["Body"] == {"Text": {"Data": "Grüße", "Charset": "UTF-8"}}
    assert sent["ConfigurationSetName"] == "cs"
    (tag,) = sent["EmailTags"]
    assert tag["Name"] == "tidemark"
    assert read_tag(tag["Value"]) == ECHO
    assert "SignedHeaders=content-type;host;x-amz-date" in dict(made.headers)["authorization"]


def test_signature_version_4_is_amazons_own_example() -> None:
    """`post-vanilla` of the Signature Version 4 test suite, with our content type among the signed headers left out."""
    headers = sign(
        "https://example.amazonaws.com/",
        b"",
        datetime(2015, 8, 30, 12, 36, tzinfo=UTC),
        "us-east-1",
        "service",
        "AKIDEXAMPLE",
        "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY",
        content_type="",
    )
    assert headers["authorization"].endswith("5da7c1a2acd57cee7505fc6676e4e544621c30862966e37dddb68e92efbe5d6b")


def test_infobip_message() -> None:
    made = call("infobip", {"callback": "https://us.example/webhooks/infobip"}, sender="Shop")
    assert made.url == "https://api.infobip.com/sms/3/messages"
    assert dict(made.headers)["authorization"] == "App k"
    (one,) = body(made)["messages"]
    assert one["sender"] == "Shop"
    assert one["destinations"] == [{"to": "491701234567", "messageId": "autumn-1234-2"}]
    assert one["content"] == {"text": "Grüße"}
    assert one["webhooks"]["callbackData"] == ECHO
    assert one["webhooks"]["delivery"]["url"] == "https://us.example/webhooks/infobip"


def test_vonage_message() -> None:
    made = call("vonage", {"callback": "https://us.example/webhooks/vonage"})
    assert made.url == "https://api.nexmo.com/v1/messages"
    assert dict(made.headers)["authorization"] == f"Basic {base64.b64encode(b'k:s').decode()}"
    assert body(made) == {
        "channel": "sms",
        "message_type": "text",
        "to": "491701234567",
        "from": "+4930901820",
        "text": "Grüße",
        "client_ref": ECHO,
        "webhook_url": f"https://us.example/webhooks/vonage?tidemark={ECHO}",
    }


def _token_parts(token: str) -> tuple[Any, Any, bytes, bytes]:
    head, claims, signature = token.split(".")
    return (
        msgspec.json.decode(padded(head)),
        msgspec.json.decode(padded(claims)),
        padded(signature),
        f"{head}.{claims}".encode(),
    )


def _check_es256(signature: bytes, text: bytes) -> None:
    der = encode_dss_signature(int.from_bytes(signature[:32]), int.from_bytes(signature[32:]))
    EC_KEY.public_key().verify(der, text, ec.ECDSA(hashes.SHA256()))


def test_fcm_message_and_its_token_request() -> None:
    made = call("fcm", to="device-token", sender="project-1", subject="T", expires_s=60)
    assert made.url == "https://fcm.googleapis.com/v1/projects/project-1/messages:send"
    sent = body(made)["message"]
    assert sent["token"] == "device-token"
    assert sent["notification"] == {"title": "T", "body": "Grüße"}
    assert sent["data"] == {"tidemark": ECHO}
    assert sent["fcm_options"] == {"analytics_label": ECHO}
    assert sent["android"] == {"ttl": "60s"}
    asks = Fcm(CONNECTIONS["fcm"], 5.0).token_call(1_793_400_000)
    form = parse_qs(asks.body.decode())
    assert form["grant_type"] == ["urn:ietf:params:oauth:grant-type:jwt-bearer"]
    head, claims, signature, text = _token_parts(form["assertion"][0])
    RSA_KEY.public_key().verify(signature, text, padding.PKCS1v15(), hashes.SHA256())
    assert head["alg"] == "RS256"
    assert claims["aud"] == "https://oauth2.googleapis.com/token"
    assert claims["exp"] - claims["iat"] == 3600


def test_apns_notification_with_a_signed_token() -> None:
    made = call("apns", to="00fc13adff785122", sender="com.example.app", subject="T", expires_s=60)
    headers = dict(made.headers)
    assert made.url == "https://api.push.apple.com/3/device/00fc13adff785122"
    assert body(made) == {"aps": {"alert": {"title": "T", "body": "Grüße"}}, "tidemark": ECHO}
    assert headers["apns-topic"] == "com.example.app"
    assert headers["apns-push-type"] == "alert"
    assert headers["apns-expiration"] == str(1_793_400_000 + 60)
    assert headers["apns-id"] == dict(call("apns").headers)["apns-id"], "the same attempt has the same id"
    head, claims, signature, text = _token_parts(headers["authorization"].removeprefix("bearer "))
    _check_es256(signature, text)
    assert head == {"alg": "ES256", "typ": "JWT", "kid": "K"}
    assert claims["iss"] == "T"


def test_web_push_is_decrypted_by_the_browsers_key() -> None:
    """Decrypted here by RFC 8291's own steps, with the subscription's private key."""
    browser, secret = ec.generate_private_key(ec.SECP256R1()), b"0123456789abcdef"
    numbers = browser.public_key().public_numbers()
    point = b"\x04" + numbers.x.to_bytes(32) + numbers.y.to_bytes(32)
    keys = {"p256dh": unpadded(point), "auth": unpadded(secret)}
    subscription = msgspec.json.encode({"endpoint": "https://push.example/x/1", "keys": keys}).decode()
    made = call("web_push", to=subscription, sender="mailto:us@example.org", subject="T")
    headers = dict(made.headers)
    assert made.url == "https://push.example/x/1"
    assert headers["content-encoding"] == "aes128gcm"
    assert headers["ttl"] == "86400"
    head, claims, signature, text = _token_parts(headers["authorization"].split("t=")[1].split(",")[0])
    _check_es256(signature, text)
    assert head["alg"] == "ES256"
    assert claims["aud"] == "https://push.example"
    assert claims["sub"] == "mailto:us@example.org"
    salt, size, sealed = made.body[:16], made.body[20], made.body[21:]
    sender, sealed = sealed[:size], sealed[size:]
    shared = browser.exchange(ec.ECDH(), ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), sender))
    ikm = HKDF(hashes.SHA256(), 32, secret, b"WebPush: info\0" + point + sender).derive(shared)
    key = HKDF(hashes.SHA256(), 16, salt, b"Content-Encoding: aes128gcm\0").derive(ikm)
    nonce = HKDF(hashes.SHA256(), 12, salt, b"Content-Encoding: nonce\0").derive(ikm)
    opened = AESGCM(key).decrypt(nonce, sealed, None)
    assert opened.endswith(b"\x02")
    assert msgspec.json.decode(opened[:-1]) == {"title": "T", "body": "Grüße", "tidemark": ECHO}


@pytest.mark.parametrize("to", ["{}", "nonsense", '{"endpoint":"http://x/","keys":{"p256dh":"BA","auth":"YQ"}}'])
def test_web_push_refuses_what_is_no_subscription(to: str) -> None:
    connector = WebPush(CONNECTIONS["web_push"], 5.0)
    with pytest.raises(ValueError, match=r"subscription|https"):
        connector.call(message(to=to))


def test_a_mail_has_our_ids_in_its_message_id() -> None:
    mail = write_mail(message(to="a@b.example", sender="us@c.example", subject="S", html="<b>G</b>"))
    tag, _, domain = mail["Message-ID"].strip("<>").partition("@")
    assert domain == "c.example"
    assert read_tag(tag) == ECHO == mail["X-Tidemark"]
    assert [part.get_content_type() for part in mail.iter_parts()] == ["text/plain", "text/html"]


def test_a_mails_header_takes_no_line_breaks() -> None:
    with pytest.raises(ValueError, match="linefeed"):
        write_mail(message(to="a@b.example", sender="us@c.example", subject="S\r\nBcc: x@y.example"))


def test_generic_json_has_the_canonical_webhooks_names() -> None:
    made = call("http", {"header_x_api_key": "k"})
    headers = dict(made.headers)
    assert headers["idempotency-key"] == "autumn-1234-2"
    assert headers["x-api-key"] == "k"
    sent = body(made)
    assert {name: sent[name] for name in ("campaign_id", "message_key", "attempt", "sent_at")} == {
        "campaign_id": "autumn",
        "message_key": 1234,
        "attempt": 2,
        "sent_at": 1_793_400_000_000,
    }
    assert read_echo(sent["echo"]) is not None


def test_generic_body_by_template_is_escaped_as_json() -> None:
    made = call("http", {"body": '{"fax": {{ to }}, "page": {{ text }}, "ref": {{ echo }}}'}, text='a "b"')
    assert body(made) == {"fax": "+491701234567", "page": 'a "b"', "ref": ECHO}
