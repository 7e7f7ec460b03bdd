"""What the receiver answers, and what it writes: nothing but what is verified, and that byte for byte."""

import asyncio
import base64
import json
from pathlib import Path
from typing import Any

import pytest

import api.webhooks.receiver
from api.webhooks.doors import doors
from api.webhooks.receiver import Receiver
from flows.captured import saved_request
from flows.providers import PROVIDERS, Verdict
from flows.providers.signing import FORM, JSON
from flows.topics import LINE_LIMIT_BYTES
from loadgen.signing import sign, sign_vonage_sms, twilio_json_url
from schemas.errors import UsageError
from schemas.settings import Settings
from tests.providers.signed import CASES, NOW_S, Case
from tests.webhooks.calling import calling, heard, settings, taken

SECRET = {"webhook_secrets": {"meta_whatsapp": ("old", "app secret", "verify:public")}}
META = "https://hooks.example.com/webhooks/meta_whatsapp"
BODY = b'{"entry": [] }'
SIGNED = sign("meta_whatsapp", BODY, secret="app secret")
WITH_SECRET = [case for case in CASES if case.provider not in ("sendgrid", "ses_sns")]
"""The others sign with a key of their own, never with ours."""
INSECURE = ("insecure-no-verification",)


def secrets(**named: str) -> dict[str, dict[str, tuple[str, ...]]]:
    return {"webhook_secrets": {name: (text,) for name, text in named.items()}}


@pytest.mark.parametrize("case", [case for case in CASES if case.provider != "ses_sns"], ids=lambda case: case.provider)
def test_genuine_request_is_in_the_topic_as_it_came(case: Case, tmp_path: Path) -> None:
    """Body byte for byte; with headers and address enough to verify and parse it again."""
    own = settings(tmp_path, clock=int(NOW_S * 1000), **secrets(**{case.provider: case.secret}))
    headers = {**case.signed.headers, "content-type": case.content_type}
    with calling(own) as caller:
        heard = caller.request(case.signed.method, case.signed.url, case.signed.body, headers)
    assert (heard.status, heard.body) == (200, "")
    [envelope] = taken(own)
    assert (envelope.provider, envelope.body, envelope.received_at) == (
        case.provider,
        case.signed.body.decode(),
        int(NOW_S * 1000),
    )
    hook = PROVIDERS[case.provider].hook
    captured = saved_request(case.provider, json.dumps(msgspec_dict(envelope)).encode(), "", 0)
    again = hook.verify(captured.signed, [hook.key(case.secret)])
    assert again is (Verdict.WRONG if hook.headers_are_secret else Verdict.VALID)


def msgspec_dict(envelope: object) -> dict[str, object]:
    return {name: value for name in envelope.__struct_fields__ if (value := getattr(envelope, name)) is not None}  # type: ignore[attr-defined]


@pytest.mark.parametrize("case", WITH_SECRET, ids=lambda case: case.provider)
def test_forged_request_is_refused_and_leaves_nothing(case: Case, tmp_path: Path) -> None:
    """With another secret than the one it was signed with; the answer says nothing more. 503: it may come signed."""
    other = "whsec_AAAA" if case.provider == "canonical" else "another:secret"
    own = settings(tmp_path, clock=int(NOW_S * 1000), **secrets(**{case.provider: other}))
    headers = {**case.signed.headers, "content-type": case.content_type}
    with calling(own) as caller:
        heard = caller.request(case.signed.method, case.signed.url, case.signed.body, headers)
        bare = caller.request(case.signed.method, case.signed.url.partition("?")[0], b"{}")
    assert (heard.status, heard.body) == (401, "")
    assert bare.status == (503 if case.provider == "vonage" else 401)
    assert taken(own) == []


@pytest.mark.parametrize(
    ("method", "path", "headers", "status"),
    [
        ("POST", "/webhooks/pigeon", {}, 404),
        ("POST", "/webhooks/", {}, 404),
        ("POST", "/webhooks/META_WHATSAPP", {}, 404),
        ("POST", "/webhooks/sendgrid", {}, 403),
        ("PUT", "/webhooks/meta_whatsapp", {}, 405),
        ("GET", "/webhooks/canonical", {}, 403),
        ("POST", "/webhooks/meta_whatsapp", {"content-type": "text/html"}, 415),
        ("POST", "/webhooks/meta_whatsapp", {"content-type": "application/json; charset=utf-8"}, 401),
        ("POST", "/webhooks/meta_whatsapp", {"content-type": "Application/JSON"}, 401),
        ("POST", "/webhooks/meta_whatsapp", {"content-length": "99999999999999999999999"}, 413),
        ("POST", "/webhooks/meta_whatsapp", {"content-length": "many"}, 401),
        ("POST", "/webhooks/meta_whatsapp", {"x-hub-signature-256": "ÿ\x00"}, 401),
        ("GET", "/webhooks/meta_whatsapp?hub.mode=subscribe&hub.challenge=7&hub.verify_token=x", {}, 401),
        ("GET", "/webhooks/meta_whatsapp?hub.mode=else&hub.challenge=7&hub.verify_token=public", {}, 401),
    ],
)
def test_what_is_not_taken(method: str, path: str, headers: dict[str, str], status: int, tmp_path: Path) -> None:
    with calling(settings(tmp_path, **SECRET)) as caller:
        heard = caller.request(method, f"https://hooks.example.com{path}", BODY if method == "POST" else b"", headers)
    assert (heard.status, heard.body) == (status, "")
    assert ("allow" in heard.headers) == (status == 405)


def test_host_that_is_none_is_no_error(tmp_path: Path) -> None:
    """It is part of the address that is judged."""
    own = settings(tmp_path, **SECRET)
    with calling(own) as caller:
        assert caller.get("https:///webhooks/meta_whatsapp?hub.mode=subscribe", {"host": "[x"}).status == 401


def test_challenge_of_meta_is_answered(tmp_path: Path) -> None:
    """By the verify token, and by the secret itself, as plain text."""
    with calling(settings(tmp_path, **SECRET)) as caller:
        for token in ("public", "old"):
            heard = caller.get(f"{META}?hub.mode=subscribe&hub.challenge=1158201444&hub.verify_token={token}")
            assert (heard.status, heard.body) == (200, "1158201444")
            assert heard.headers["content-type"].startswith("text/plain")


@pytest.mark.parametrize("chunk", [7, 1 << 20])
@pytest.mark.parametrize(("size", "status"), [((3 << 20) + 1, 413), (3 << 20, 200)])
def test_size_is_counted_while_reading(size: int, status: int, chunk: int, tmp_path: Path) -> None:
    """Whatever was announced; to the byte."""
    body = b" " * size
    with calling(settings(tmp_path, webhook_secrets={"meta_whatsapp": INSECURE})) as caller:
        assert caller.post(META, body, chunk=max(chunk, size // 1000)).status == status


def test_body_that_breaks_off_is_not_taken(tmp_path: Path) -> None:
    """Half a body of a provider that signs nothing would be a webhook lost."""
    own = settings(tmp_path, webhook_secrets={"infobip": INSECURE})
    messages = iter([{"type": "http.request", "body": b"{", "more_body": True}, {"type": "http.disconnect"}])
    scope = {"type": "http", "method": "POST", "path": "/webhooks/infobip", "query_string": b"", "headers": []}

    async def receive() -> dict[str, object]:
        return next(messages)

    async def send(_: object) -> None:
        pass

    with calling(own) as caller:
        caller.runner.run(caller.receiver(scope, receive, send))
    assert taken(own) == []


def test_beginnings_of_many_bodies_are_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Who sends them has shown no signature yet; when they are gone there is room again."""
    monkeypatch.setattr(api.webhooks.receiver, "_READING_LIMIT_BYTES", 1_000)
    own = settings(tmp_path, webhook_secrets={"meta_whatsapp": INSECURE})
    with calling(own) as caller:
        assert caller.post(META, b" " * 1_001, chunk=100).status == 503
        assert caller.post(META, b" " * 1_000, chunk=100).status == 200
        assert caller.post(META, b" " * 2_000).status == 200


@pytest.mark.parametrize("sent", [b"", b" " * 500])
def test_silent_clients_are_let_go_and_hold_no_room(
    sent: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each short of one byte, for ever; meanwhile bodies of one part are taken, afterwards all."""
    monkeypatch.setattr(api.webhooks.receiver, "_READING_LIMIT_BYTES", 1_000)
    monkeypatch.setattr(api.webhooks.receiver, "_BODY_WITHIN_S", 0.5)
    own = settings(tmp_path, webhook_secrets={"meta_whatsapp": INSECURE})
    scope = {"type": "http", "method": "POST", "path": "/webhooks/meta_whatsapp", "query_string": b"", "headers": []}

    async def silent(receiver: Receiver) -> dict[str, Any]:
        coming = iter([{"type": "http.request", "body": sent, "more_body": True}] if sent else [])
        said: list[dict[str, Any]] = []

        async def receive() -> dict[str, Any]:
            return next(coming, None) or await asyncio.Event().wait()  # type: ignore[return-value]

        async def send(message: dict[str, Any]) -> None:
            said.append(message)

        await receiver(scope, receive, send)  # type: ignore[arg-type]
        return said[0]

    async def main(receiver: Receiver) -> None:
        clients = [asyncio.create_task(silent(receiver)) for _ in range(2)]
        await asyncio.sleep(0)
        assert (await heard(receiver, "POST", META, b" " * 900)).status == 200
        starts = await asyncio.wait_for(asyncio.gather(*clients), 30)
        assert [start["status"] for start in starts] == [408, 408]
        assert all((b"connection", b"close") in start["headers"] for start in starts)
        assert (await heard(receiver, "POST", META, b" " * 900, chunk=100)).status == 200

    with calling(own) as caller:
        caller.runner.run(main(caller.receiver))


def test_secret_path_is_not_written_down(tmp_path: Path) -> None:
    own = settings(tmp_path, **secrets(gupshup="sec/ret é"))
    with calling(own) as caller:
        assert caller.post("https://h/webhooks/gupshup/nope?a=1", b"{}").status == 401
        assert caller.get("https://h/webhooks/gupshup/sec/ret é?externalId=1&status=SUCCESS").status == 200
    [envelope] = taken(own)
    assert envelope.url == "/webhooks/gupshup?externalId=1&status=SUCCESS"
    assert "sec/" not in str(envelope)


def test_basic_credentials_are_not_written_down(tmp_path: Path) -> None:
    own = settings(tmp_path, **secrets(infobip="user:password"))
    headers = {"authorization": "basic " + base64.b64encode(b"user:password").decode()}
    with calling(own) as caller:
        assert caller.post("https://h/webhooks/infobip", b"{}", headers).status == 200
    assert taken(own)[0].headers == {}


def test_bytes_that_are_no_text_are_kept(tmp_path: Path) -> None:
    own = settings(tmp_path, webhook_secrets={"meta_whatsapp": INSECURE})
    with calling(own) as caller:
        assert caller.post(META, b"\xff\x00{").status == 200
    [envelope] = taken(own)
    assert (envelope.body, envelope.body_base64) == (None, base64.b64encode(b"\xff\x00{").decode())


def test_body_that_grows_beyond_a_line_when_quoted_is_kept(tmp_path: Path) -> None:
    """A control character takes six bytes in JSON."""
    own = settings(tmp_path, webhook_secrets={"canonical": INSECURE})
    body = b"\x01" * (LINE_LIMIT_BYTES // 6 + 1)
    with calling(own) as caller:
        assert caller.post("https://h/webhooks/canonical", body).status == 200
    assert base64.b64decode(taken(own)[0].body_base64 or "") == body


def test_each_request_has_a_receipt_of_its_own(tmp_path: Path) -> None:
    """Over restarts too."""
    own = settings(tmp_path, **SECRET)
    for _ in range(2):
        with calling(own) as caller:
            assert [caller.post(META, BODY, SIGNED).status for _ in range(3)] == [200] * 3
    assert len({envelope.receipt_id for envelope in taken(own)}) == 6


def test_address_that_twilio_signed_is_the_public_one(tmp_path: Path) -> None:
    """The server sees what a proxy made of it."""
    own = settings(tmp_path, public_url="https://public.example.com/in", **secrets(twilio="auth token"))
    public = "https://public.example.com/in/webhooks/twilio?tidemark=c~1~1~5"
    form = b"MessageSid=SM1&MessageStatus=sent"
    headers = sign("twilio", form, secret="auth token", url=public, content_type=FORM)
    body = b'[{"type":"x"}]'
    json_url = twilio_json_url(public, body)
    with calling(own) as caller:
        internal = "http://10.0.0.7:8000/webhooks/twilio?tidemark=c~1~1~5"
        assert caller.post(internal, form, headers).status == 200
        signed = sign("twilio", body, secret="auth token", url=json_url)
        internal = json_url.replace("https://public.example.com/in", "http://10.0.0.7:8000")
        assert caller.post(internal, body, signed).status == 200
    assert {envelope.url for envelope in taken(own)} == {public, json_url}


def test_receipt_of_vonage_by_get(tmp_path: Path) -> None:
    own = settings(tmp_path, clock=int(NOW_S * 1000), **secrets(vonage="signature secret"))
    fields = sign_vonage_sms({"messageId": "1", "status": "delivered"}, "signature secret", NOW_S)
    query = "&".join(f"{name}={text}" for name, text in fields.items())
    with calling(own) as caller:
        assert caller.get(f"https://h/webhooks/vonage?{query}&tidemark=c~1~1~5").status == 200
    [envelope] = taken(own)
    assert envelope.url.endswith("&tidemark=c~1~1~5")
    assert envelope.method == "GET"


@pytest.mark.parametrize(
    ("named", "said"),
    [
        ({"pigeon": ("x",)}, "TIDEMARK_WEBHOOK_PIGEON_SECRET: no such provider"),
        ({"sendgrid": ("hush",)}, "TIDEMARK_WEBHOOK_SENDGRID_SECRET"),
        ({"canonical": ("hush!",)}, "TIDEMARK_WEBHOOK_CANONICAL_SECRET"),
        ({"ses_sns": ("hush",)}, "TIDEMARK_WEBHOOK_SES_SNS_TOPICS"),
    ],
)
def test_wrong_secret_is_refused_at_the_start_and_not_shown(named: dict[str, tuple[str, ...]], said: str) -> None:
    with pytest.raises(UsageError) as refused:
        doors(Settings(webhook_secrets=named))
    assert said in str(refused.value)
    assert "hush" not in str(refused.value)


def test_settings_from_the_environment() -> None:
    """Several secrets, topics with colons, and no secret where nothing is said."""
    read = Settings.from_env(
        {
            "TIDEMARK_WEBHOOK_META_WHATSAPP_SECRET": "new, old,",
            "TIDEMARK_WEBHOOK_TWILIO_SECRET": " ",
            "TIDEMARK_WEBHOOK_SES_SNS_TOPICS": "arn:aws:sns:eu-central-1:1:a,arn:aws:sns:eu-central-1:1:b",
            "TIDEMARK_PUBLIC_URL": "https://h",
        }
    )
    assert read.webhook_secrets == {"meta_whatsapp": ("new", "old")}
    assert read.webhook_ses_sns_topics == ("arn:aws:sns:eu-central-1:1:a", "arn:aws:sns:eu-central-1:1:b")
    assert read.public_url == "https://h"
    assert JSON in PROVIDERS["meta_whatsapp"].hook.content_types
