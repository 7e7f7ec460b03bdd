"""Signatures: the vectors of the providers' own SDKs and of Amazon hold, and everything else is refused."""

import base64
import hashlib
import hmac
import json
from datetime import datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import msgspec
import pytest
from cryptography.hazmat.primitives.asymmetric import rsa

from flows.providers import PROVIDERS, Signed, Verdict
from flows.providers.signing import FORM
from loadgen.signing import sendgrid_keys
from tests.providers.signed import (
    CASE_IDS,
    CASES,
    CERTIFICATE_URL,
    COVERS_BODY,
    HOOKS,
    NOW_S,
    Case,
    certificate,
    sns_envelope,
)

SHARED = Path(__file__).parents[3] / "shared" / "webhooks" / "signatures.json"
VECTORS = json.loads(SHARED.read_text()) if SHARED.is_file() else []
NAMES = {"standardwebhooks": "canonical"}


def now_s(vector: dict[str, Any]) -> float:
    text = vector.get("fixed_now", "0")
    return float(text) if text.isdigit() else datetime.fromisoformat(text).timestamp()


def secret_of(vector: dict[str, Any]) -> str:
    """Vonage's default method is taken only where the secret asks for it."""
    secret = vector.get("secret") or vector.get("public_key") or vector["certificate_pem"]
    return f"hash-md5:{secret}" if vector.get("signature_method") == "hash-md5" else secret


def signed_of(vector: dict[str, Any], **changes: Any) -> Signed:
    fields: dict[str, Any] = {
        "method": vector["method"],
        "url": vector.get("url", ""),
        "headers": {name.lower(): text for name, text in vector["headers"].items()},
        "body": vector["body"].encode(),
        "now_s": now_s(vector),
    }
    return Signed(**fields | changes)


@pytest.mark.skipif(not VECTORS, reason="the shared vectors are not beside this checkout")
@pytest.mark.parametrize("vector", VECTORS, ids=lambda vector: vector["id"])
def test_shared_vector(vector: dict[str, Any]) -> None:
    """Valid ones hold, the others don't."""
    hook = PROVIDERS[NAMES.get(vector["provider"], vector["provider"])].hook
    expected = Verdict.VALID if vector["valid"] else Verdict.WRONG
    assert hook.verify(signed_of(vector), [hook.key(secret_of(vector))]) is expected


def verified(case: Case, *secrets: str, **changes: Any) -> Verdict:
    hook = PROVIDERS[case.provider].hook
    signed = msgspec.structs.replace(case.signed, **changes)
    return hook.verify(signed, [hook.key(secret) for secret in secrets or (case.secret,)])


def other_secret(case: Case) -> str:
    """Of the same kind, and not the one."""
    if case.provider == "sendgrid":
        return sendgrid_keys()[1]
    if case.provider == "ses_sns":
        return certificate(rsa.generate_private_key(65537, 2048))
    return "whsec_AAAA" if case.provider == "canonical" else "another:secret"


@pytest.mark.parametrize("case", CASES, ids=CASE_IDS)
def test_what_the_generator_signs_holds(case: Case) -> None:
    """Two pieces of code that share nothing agree; also while the secret changes, with either of two."""
    assert verified(case) is Verdict.VALID
    assert verified(case, other_secret(case), case.secret) is Verdict.VALID


@pytest.mark.parametrize("case", CASES, ids=CASE_IDS)
def test_another_secret_does_not_hold(case: Case) -> None:
    assert verified(case, other_secret(case)) is Verdict.WRONG


@pytest.mark.parametrize("case", COVERS_BODY, ids=lambda case: case.provider)
def test_another_body_does_not_hold(case: Case) -> None:
    assert verified(case, body=case.signed.body + b"x") is not Verdict.VALID
    assert verified(case, body=b"") is not Verdict.VALID or not case.signed.body


@pytest.mark.parametrize("case", CASES, ids=CASE_IDS)
def test_without_its_signature_it_does_not_hold(case: Case) -> None:
    """Vonage alone may have failed to sign, and sends again."""
    bare = case.signed.body if case.signed.headers or case.provider == "ses_sns" else b"{}"
    body = bare.replace(b'"Signature": "', b'"Signature": "A')
    found = verified(case, headers={}, body=body, url=case.signed.url.partition("?")[0])
    assert found is (Verdict.UNSIGNED if case.provider == "vonage" else Verdict.WRONG)


@pytest.mark.parametrize("provider", ["twilio", "messagebird"])
def test_another_address_does_not_hold(provider: str) -> None:
    for case in [case for case in CASES if case.provider == provider]:
        assert verified(case, url=case.signed.url + "&more=1") is Verdict.WRONG
        assert verified(case, url=case.signed.url.replace("https", "http")) is Verdict.WRONG


def test_address_of_twilio_with_and_without_its_port() -> None:
    """Which one it signed depends on what stands between."""
    [case, *_] = [case for case in CASES if case.provider == "twilio"]
    assert verified(case, url=case.signed.url.replace(".com/", ".com:443/")) is Verdict.VALID
    for wrong in ("https://[::1", "https://h:port/", "", "//"):
        assert verified(case, url=wrong) is Verdict.WRONG


@pytest.mark.parametrize("later_s", [-301, 301, 10**9])
@pytest.mark.parametrize("provider", ["canonical", "messagebird"])
def test_replayed_too_late_does_not_hold(provider: str, later_s: int) -> None:
    """Only those that document a window have one."""
    for case in [case for case in CASES if case.provider == provider]:
        assert verified(case, now_s=NOW_S + later_s) is Verdict.WRONG


def test_old_event_of_sendgrid_holds() -> None:
    """A retry a day later may carry the signature of the first attempt."""
    for case in [case for case in CASES if case.provider in ("sendgrid", "meta_whatsapp", "twilio", "ses_sns")]:
        assert verified(case, now_s=NOW_S + 10**6) is Verdict.VALID


def test_md5_of_vonage_holds_only_where_the_secret_asks_for_it() -> None:
    said = {"a": "1=&2", "timestamp": str(int(NOW_S))}
    sig = hashlib.md5(b"&a=1__2&timestamp=%dabcde" % NOW_S).hexdigest()
    form = urlencode(said | {"sig": sig.upper()}).encode()
    hook = PROVIDERS["vonage"].hook
    signed = Signed(body=form, headers={"content-type": FORM}, now_s=NOW_S)
    assert hook.verify(signed, ["hash-md5:abcde"]) is Verdict.VALID
    assert hook.verify(signed, ["abcde"]) is Verdict.WRONG
    assert hook.verify(msgspec.structs.replace(signed, now_s=NOW_S + 301), ["hash-md5:abcde"]) is Verdict.WRONG


@pytest.mark.parametrize("algorithm", ["none", "HS384", "RS256", ["HS256"], None])
def test_jwt_with_another_algorithm_does_not_hold(algorithm: object) -> None:
    """Whoever could choose one could choose none."""
    body = b"{}"
    parts = [{"alg": algorithm}, {"iss": "Vonage", "payload_hash": hashlib.sha256(body).hexdigest()}]
    head = ".".join(base64.urlsafe_b64encode(json.dumps(part).encode()).rstrip(b"=").decode() for part in parts)
    for mac in (b"", hmac.digest(b"key", head.encode(), "sha384"), hmac.digest(b"key", head.encode(), "sha256")):
        token = f"{head}.{base64.urlsafe_b64encode(mac).rstrip(b'=').decode()}"
        signed = Signed(headers={"authorization": f"Bearer {token}"}, body=body, now_s=NOW_S)
        assert PROVIDERS["vonage"].hook.verify(signed, ["key"]) is Verdict.WRONG


@pytest.mark.parametrize(
    "url",
    [
        "http://sns.eu-central-1.amazonaws.com/a.pem",
        "https://sns.eu-central-1.amazonaws.com.evil.example/a.pem",
        "https://evil.example/sns.eu-central-1.amazonaws.com/a.pem",
        "https://sns.eu-central-1.amazonaws.com@evil.example/a.pem",
        "https://sns.eu-central-1.amazonaws.com:8443/a.pem",
        "https://s3.eu-central-1.amazonaws.com/a.pem",
        "https://sns.eu-central-1.amazonaws.com/a.txt",
        "https://sns.eu-central-1.amazonaws.com/?a.pem",
        "https://[sns/a.pem",
        "",
    ],
)
def test_certificate_from_elsewhere_does_not_hold(url: str) -> None:
    """The same key, named at an address that anybody may hold."""
    key = rsa.generate_private_key(65537, 2048)
    signed = Signed(body=json.dumps(sns_envelope(key, SigningCertURL=url)).encode(), now_s=NOW_S)
    assert PROVIDERS["ses_sns"].hook.verify(signed, [PROVIDERS["ses_sns"].hook.key(certificate(key))]) is Verdict.WRONG


def test_confirmation_of_a_subscription_is_signed_by_other_fields() -> None:
    key = rsa.generate_private_key(65537, 2048)
    confirm = {"Type": "SubscriptionConfirmation", "Token": "t", "SubscribeURL": CERTIFICATE_URL}
    body = json.dumps(sns_envelope(key, "You have chosen", **confirm)).encode()
    hook = PROVIDERS["ses_sns"].hook
    keys = [hook.key(certificate(key))]
    assert hook.verify(Signed(body=body, now_s=NOW_S), keys) is Verdict.VALID
    assert hook.verify(Signed(body=body.replace(b'"Token": "t"', b'"Token": "u"'), now_s=NOW_S), keys) is Verdict.WRONG


@pytest.mark.parametrize("provider", ["infobip", "gupshup", "push"])
def test_secret_path_holds_where_nothing_is_signed(provider: str) -> None:
    hook = PROVIDERS[provider].hook
    assert hook.verify(Signed(token="secret", now_s=NOW_S), ["other", "secret"]) is Verdict.VALID
    assert hook.verify(Signed(token="secre", now_s=NOW_S), ["secret"]) is Verdict.WRONG
    assert hook.verify(Signed(headers={"authorization": "Basic ÿ"}, now_s=NOW_S), ["secret", ""]) is Verdict.WRONG


@pytest.mark.parametrize("provider", ["meta_whatsapp", "twilio", "sendgrid", "vonage", "messagebird", "canonical"])
def test_secret_path_is_no_signature(provider: str) -> None:
    case = next(case for case in CASES if case.provider == provider)
    signed = Signed(method=case.signed.method, token=case.secret, body=b"{}", now_s=NOW_S)
    hook = PROVIDERS[provider].hook
    assert hook.verify(signed, [hook.key(case.secret)]) is not Verdict.VALID


@pytest.mark.parametrize(("provider", "secret"), [("sendgrid", "abc"), ("sendgrid", "AAAA"), ("canonical", "é")])
def test_secret_that_is_no_key_is_refused_without_being_shown(provider: str, secret: str) -> None:
    with pytest.raises(ValueError) as refused:  # noqa: PT011 - the message is a library's
        PROVIDERS[provider].hook.key(secret)
    assert secret not in str(refused.value)


def test_verify_token_of_meta_is_no_key() -> None:
    """It travels in URLs, which end up in logs."""
    hook = PROVIDERS["meta_whatsapp"].hook
    keys = [hook.key("app secret"), hook.key("verify:public")]
    asked = Signed(
        method="GET", url=f"{HOOKS}/meta_whatsapp?hub.mode=subscribe&hub.challenge=7&hub.verify_token=public", now_s=0
    )
    assert hook.verify(asked, keys) is Verdict.VALID
    assert hook.challenge
    assert hook.challenge(asked) == "7"
    assert hook.challenge(msgspec.structs.replace(asked, url="?hub.challenge=7")) is None
    assert hook.verify(msgspec.structs.replace(asked, url=asked.url + "x"), keys) is Verdict.WRONG
    headers = {"x-hub-signature-256": "sha256=" + hmac.digest(b"public", b"{}", "sha256").hex()}
    assert hook.verify(Signed(headers=headers, body=b"{}", now_s=0), keys) is Verdict.WRONG
