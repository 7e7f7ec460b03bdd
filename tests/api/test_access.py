"""Who gets in, how far, and what a browser is told: keys, scopes, sessions, share links, limits, headers."""

import asyncio
import base64
import json
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from api.access import Gate
from api.app import build_app
from api.keys import Scope, create_key, find_key, revoke_key
from api.shield import CONTENT_SECURITY_POLICY
from api.signing import Signer
from flows.sending.control import Orders
from flows.sending.watch import read_all
from schemas.errors import TopicUnknown, UsageError
from schemas.settings import Settings
from schemas.topics import SEND_CONTROL
from sql import audit
from sql.migrate import migrate
from sql.warehouse import Warehouse
from tests.api.conftest import Served, api_running
from tests.parts.clickhouse import run_python


@pytest.fixture(scope="module")
def locked(served: Served) -> Iterator[str]:
    """The same tables behind an API that wants keys, and few requests."""
    with api_running(served.settings, served.folder, "locked", TIDEMARK_RATE="120") as url:
        yield url


def key(served: Served, *scopes: Scope) -> dict[str, str]:
    with Warehouse(served.settings.clickhouse) as warehouse:
        return bearer(create_key(warehouse, "a test", list(scopes)).key)


def bearer(key: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {key}"}


def made_by_command(served: Served) -> dict[str, str]:
    made = run_python("-m", "api.keys", "--json", "create", "a test", "--scope", "read", dsn=served.settings.clickhouse)
    assert made.returncode == 0, made.stderr
    return bearer(json.loads(made.stdout)["key"])


def test_keys_open_what_their_scopes_say(client: httpx.Client, served: Served, locked: str) -> None:
    reader, exporter, admin = made_by_command(served), key(served, "read", "export"), key(served, "admin")
    report, rows = f"{locked}/api/campaigns", f"{locked}/api/campaigns/autumn-sale/messages"
    assert client.get(report).status_code == 401
    assert client.get(report, headers={"Authorization": "Bearer tm_0.guess"}).status_code == 401
    assert client.get(report, headers=reader).status_code == 200
    assert client.get(rows, headers=reader).status_code == 403
    assert client.get(rows, headers=exporter).status_code == 200
    assert client.get(rows, headers=admin).status_code == 200


def test_only_an_admin_pauses_and_it_stands_in_topic_and_audit_log(
    client: httpx.Client, served: Served, locked: str
) -> None:
    url, wish = f"{locked}/api/campaigns/autumn-sale/orders", {"action": "pause", "why": "wrong price"}
    assert client.post(url, json=wish, headers=key(served, "read", "export")).status_code == 403
    assert client.post(url.replace("autumn-sale", "nobody"), json=wish, headers=key(served, "admin")).status_code == 404
    with pytest.raises(TopicUnknown):
        orders(served)
    assert client.post(url, json=wish, headers=key(served, "admin")).status_code == 202
    assert orders(served).paused == {"autumn-sale": "wrong price"}
    with Warehouse(served.settings.clickhouse) as warehouse:
        log = audit.entries(warehouse)
    assert (log[-1].action, log[-1].subject) == ("pause", "autumn-sale")
    assert log[-1].actor.endswith(" a test")
    assert client.post(url, json={"action": "resume"}, headers=key(served, "admin")).status_code == 202
    assert orders(served).paused == {}


def orders(served: Served) -> Orders:
    """What a sender that starts now would follow."""
    found = Orders()
    read_all(served.settings, SEND_CONTROL, found.read).close()
    return found


def test_a_key_becomes_a_session_that_scripts_cannot_read(served: Served, locked: str) -> None:
    text = key(served, "read")["Authorization"].removeprefix("Bearer ")
    with httpx.Client(base_url=locked, timeout=30) as browser:
        assert browser.post("/api/session", json={"key": "tm_x.y"}).status_code == 401
        answer = browser.post("/api/session", json={"key": text})
        assert answer.status_code == 200
        cookie = answer.headers["set-cookie"].lower()
        assert "httponly" in cookie
        assert "samesite=strict" in cookie
        assert browser.get("/api/campaigns").status_code == 200
        foreign = {"Origin": "https://evil.example"}
        assert browser.post("/api/campaigns/autumn-sale/share", json={}, headers=foreign).status_code == 403
        browser.cookies.set("tidemark_session", "forged", domain="127.0.0.1")
    assert httpx.get(f"{locked}/api/campaigns", cookies={"tidemark_session": "forged"}).status_code == 401


def test_a_share_link_opens_one_campaign_and_nothing_else(client: httpx.Client, served: Served, locked: str) -> None:
    made = client.post(f"{locked}/api/campaigns/autumn-sale/share", json={"hours": 1}, headers=key(served, "read"))
    assert made.status_code == 200, made.text
    token = made.json()["path"].removeprefix("/s/")
    shared = client.get(f"{locked}/api/shared/{token}")
    assert shared.json()["funnel"]["sent"] == served.figures.counts["sent"]
    assert not any(word in shared.text for word in ("recipient", "message_key", "provider_message_id"))
    for changed in (
        token[:-2] + "xx",
        token + "x",
        base64.b64encode(b'{"campaign_id":"night-survey"}').decode(),
        "x" * 500,
    ):
        assert client.get(f"{locked}/api/shared/{changed}").status_code in (403, 404)
    assert (
        client.get(f"{locked}/api/campaigns/autumn-sale", headers={"Authorization": f"Bearer {token}"}).status_code
        == 401
    )


def test_what_is_signed_ends_and_serves_one_purpose() -> None:
    now = 1_000
    links, sessions = (Signer("s" * 32, purpose, lambda: now) for purpose in ("link", "session"))
    text = links.sign({"campaign_id": "a"}, 2_000)
    assert links.read(text) == {"campaign_id": "a"}
    assert sessions.read(text) is None
    now = 2_000
    assert links.read(text) is None
    assert links.read("") is None


def test_an_open_api_answers_this_machine_alone(client: httpx.Client, served: Served) -> None:
    """Not under a foreign name (DNS rebinding), nor through a proxy, nor writes from other sites' pages."""
    url = f"{served.url}/api/campaigns"
    assert client.get(url).status_code == 200
    for headers in ({"Host": "evil.example"}, {"X-Forwarded-For": "198.51.100.7"}, {"Forwarded": "for=198.51.100.7"}):
        assert client.get(url, headers=headers).status_code == 401
    share = f"{url}/autumn-sale/share"
    assert client.post(share, json={}, headers={"Origin": "https://evil.example"}).status_code == 403
    assert client.post(share, json={}, headers={"Origin": served.url}).status_code == 200


def test_too_many_requests_are_told_to_wait(client: httpx.Client, locked: str) -> None:
    answers = [client.get(f"{locked}/api/session") for _ in range(140)]
    last = answers[-1]
    assert last.status_code == 429
    assert int(last.headers["retry-after"]) > 0
    assert last.headers["content-type"] == "application/problem+json"
    assert client.get(f"{locked}/healthz").status_code == 200


@pytest.mark.parametrize(
    "path", ["/", "/c/autumn-sale", "/ops", "/login", "/static/js/campaign.js", "/api/campaigns", "/nowhere"]
)
def test_every_answer_carries_the_security_headers(client: httpx.Client, served: Served, path: str) -> None:
    headers = client.get(served.url + path).headers
    assert headers["content-security-policy"] == CONTENT_SECURITY_POLICY
    assert "unsafe-inline" not in CONTENT_SECURITY_POLICY
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["referrer-policy"] == "no-referrer"


def test_pages_hold_no_inline_script_or_style(client: httpx.Client, served: Served) -> None:
    for path in ("/", "/c/autumn-sale", "/ops", "/login"):
        page = client.get(served.url + path).text
        assert "<style" not in page
        assert " style=" not in page
        assert '<script type="module" src=' in page
        assert page.count("<script") == 1


def test_keys_are_hashed_and_can_be_revoked(warehouse: Warehouse) -> None:
    migrate(warehouse)
    made = create_key(warehouse, "dashboard", ["read"])
    secret = made.key.partition(".")[2]
    assert secret not in str(warehouse.query("SELECT * FROM api_keys").to_dicts())
    found = find_key(warehouse, made.key)
    assert found is not None
    assert found.may("read")
    assert not found.may("export")
    assert find_key(warehouse, made.key + "x") is None
    assert find_key(warehouse, f"tm_{'0' * 12}.{secret}") is None
    assert find_key(warehouse, "") is None
    revoke_key(warehouse, made.key_id)
    assert find_key(warehouse, made.key) is None
    with pytest.raises(UsageError):
        revoke_key(warehouse, "nobody")


def test_a_gate_that_is_closed_lets_nobody_in(warehouse: Warehouse) -> None:
    migrate(warehouse)
    gate = Gate(warehouse, Signer("s" * 32, "session", lambda: 0), is_open=False)
    assert gate.find("tm_a.b") is None


@pytest.mark.parametrize("scope", ["read", "admin"])
def test_the_id_of_a_key_in_a_session_opens_nothing(tmp_path: Path, warehouse: Warehouse, scope: Scope) -> None:
    """Ids stand in lists, logs and cookies: neither as a bearer nor to log in, also just after the session was used."""
    migrate(warehouse)
    made = create_key(warehouse, "a test", [scope])

    async def main() -> None:
        app = build_app(warehouse, Settings(recovery=str(tmp_path / "recovery")))
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://localhost") as browser:
            assert (await browser.post("/api/session", json={"key": made.key})).status_code == 200
            assert (await browser.get("/api/session")).json()["key_id"] == made.key_id
            browser.cookies.clear()
            for text in (made.key_id, f"tm_{made.key_id}", f"tm_{made.key_id}."):
                assert (await browser.get("/api/session", headers=bearer(text))).status_code == 401
                assert (await browser.post("/api/session", json={"key": text})).status_code == 401
            assert (await browser.get("/api/session", headers=bearer(made.key))).status_code == 200

    asyncio.run(main())


def test_what_cannot_be_a_key_is_not_looked_up() -> None:
    class Untouched:
        def ask(self, question: str) -> None:
            raise AssertionError(question)

    gate = Gate(Untouched(), Signer("s" * 32, "session", lambda: 0), is_open=False)  # type: ignore[arg-type]
    for text in ("", "tm_", "a" * 12, f"tm_{'a' * 12}", "tm_a." + "b" * 200):
        assert gate.find(text) is None
