"""Injection, path and header tricks in every parameter, bodies without end: refused or harmless, never a 5xx."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from api.app import build_app
from api.shield import MOST_BODY_BYTES
from schemas.settings import Settings
from sql.warehouse import Warehouse
from tests.api.conftest import Served

TRICKS = (
    "' OR 1=1 --", "'; DROP TABLE totals; --", "{campaign_id:String}", "%27%3B", "\\'; SELECT 1", "$(id)", "`id`",
    "../../../etc/passwd", "..%2f..%2fetc%2fpasswd", "\u202e", "a" * 65, "\r\nX-Injected: 1", "%0d%0aX-Injected:1",
    "null",
    "🌊", "<script>alert(1)</script>", "\\x00", "%00", "0x41", "-1", "1e309", "NaN", "9" * 40, "true", "[]", "{}",
)  # fmt: skip
SKIPPED = ("/live", "/api/session")


def parameters(schema: dict[str, Any]) -> Iterator[tuple[str, str, str, str]]:
    """Of every GET route: path, place, name."""
    for path, methods in schema["paths"].items():
        for parameter in methods.get("get", {}).get("parameters", []):
            if not path.endswith(SKIPPED) and parameter["in"] != "cookie":
                yield path, parameter["in"], parameter["name"], ""


def fill(path: str) -> str:
    known = {"campaign_id": "autumn-sale", "message_key": "1", "what": "counts", "token": "t"}
    for name, value in known.items():
        path = path.replace("{" + name + "}", value)
    return path


def test_tricks_in_every_parameter_are_refused_or_harmless(client: httpx.Client, served: Served) -> None:
    schema = client.get(f"{served.url}/api/openapi.json").json()
    asked = list(parameters(schema))
    assert len(asked) > 20
    before = client.get(served.api("/funnel")).json()
    for path, place, name, _ in asked:
        for trick in TRICKS:
            answer = ask(client, served, path, place, name, trick)
            assert answer.status_code < 500, (path, name, trick, answer.text)
            assert "x-injected" not in answer.headers
            assert "root:" not in answer.text
            assert "Code:" not in answer.text
            assert "DB::" not in answer.text
    assert client.get(served.api("/funnel")).json() == before


def ask(client: httpx.Client, served: Served, path: str, place: str, name: str, trick: str) -> httpx.Response:
    if place == "path":
        return client.get(
            served.url + fill(path.replace("{" + name + "}", httpx.QueryParams({"": trick}).__str__()[1:]))
        )
    if place == "header":
        return client.get(served.url + fill(path), headers={name: trick.encode("unicode_escape").decode()})
    return client.get(served.url + fill(path), params={name: trick})


PATHS = (
    "/static/../app.py", "/static/%2e%2e/app.py", "/static//etc/passwd", "/static/js/../../keys.py",
    "/static/uplot/../../../pyproject.toml", "/c/..%2f..%2fapi", "/s/" + "a" * 3000,
)  # fmt: skip


@pytest.mark.parametrize("path", PATHS, ids=lambda path: path[:40])
def test_files_outside_the_pages_are_not_served(client: httpx.Client, served: Served, path: str) -> None:
    answer = client.get(httpx.URL(served.url).copy_with(raw_path=path.encode()))
    assert answer.status_code in (200, 404, 422)
    assert "import " not in answer.text[:2000]
    assert "[project]" not in answer.text


BODIES = (
    b"", b"{", b"[]", b"null", b'{"recipient":1}', b'{"recipient":""}', b'{"recipient":"\\ud800"}', b"\xff",
    b'{"recipient":"a","provider_message_id":"b"}', b'{"recipient":"' + b"x" * 600 + b'"}', b'{"hours":1e99}',
)  # fmt: skip


@pytest.mark.parametrize("body", BODIES, ids=lambda body: repr(body[:40]))
def test_bad_bodies_are_a_problem(client: httpx.Client, served: Served, body: bytes) -> None:
    headers = {"Content-Type": "application/json"}
    for path in ("/messages/find", "/share"):
        answer = client.post(served.api(path), content=body, headers=headers)
        assert answer.status_code < 500, (path, answer.text)


POSTS = ("/api/session", *(f"/api/campaigns/a/{path}" for path in ("share", "orders", "messages/find")))


@pytest.mark.parametrize("path", POSTS)
@pytest.mark.parametrize("announced", [True, False])
def test_body_beyond_the_limit_is_a_problem_and_is_not_read_on(tmp_path: Path, path: str, announced: bool) -> None:
    """It comes before it is known who sends it."""
    read = 0

    async def body() -> AsyncIterator[bytes]:
        nonlocal read
        for _ in range(100 * MOST_BODY_BYTES // 1024):
            read += 1024
            yield b" " * 1024

    headers = {"Content-Type": "application/json"}
    if announced:
        headers["Content-Length"] = str(100 * MOST_BODY_BYTES)
    answer = asyncio.run(post(tmp_path, path, body(), headers))
    assert answer.status_code == 413
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["status"] == 413
    assert "content-security-policy" in answer.headers
    assert read <= 2 * MOST_BODY_BYTES


def test_body_at_the_limit_is_read(tmp_path: Path) -> None:
    """And refused for what it holds."""
    body = b'{"key": "tm_"}'.ljust(MOST_BODY_BYTES)
    answer = asyncio.run(post(tmp_path, "/api/session", body, {"Content-Type": "application/json"}))
    assert answer.status_code == 401


async def post(folder: Path, path: str, body: Any, headers: dict[str, str]) -> httpx.Response:
    """Without a key."""
    app = build_app(Warehouse(f"chdb://{folder / 'clickhouse'}"), Settings(recovery=str(folder / "recovery")))
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://localhost") as client:
        return await client.post(path, content=body, headers=headers)
