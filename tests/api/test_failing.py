"""When the database fails, the API says so in a line of its own, and nothing of what went on inside."""

import asyncio
from typing import Any

import httpx
import pytest

from api.app import build_app
from schemas.errors import WarehouseDown, WarehouseError
from schemas.settings import Settings
from sql.warehouse import Warehouse


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (WarehouseDown("http://u:secret@db: gone"), 503),
        (WarehouseError("Code: 60 secret"), 500),
        (ValueError("secret"), 500),
    ],
)
def test_errors_are_problems_that_tell_no_secret(
    tmp_path: Any, monkeypatch: pytest.MonkeyPatch, error: Exception, status: int
) -> None:
    warehouse = Warehouse(f"chdb://{tmp_path / 'clickhouse'}")

    def fail(*_: object, **__: object) -> None:
        raise error

    monkeypatch.setattr(warehouse, "ask", fail)
    app = build_app(warehouse, Settings(recovery=str(tmp_path / "recovery"), access="open"))
    answer = asyncio.run(_ask(app))
    assert answer.status_code == status
    assert answer.headers["content-type"] == "application/problem+json"
    assert "secret" not in answer.text
    assert ("retry-after" in answer.headers) == (status == 503)


async def _ask(app: Any) -> httpx.Response:
    transport = httpx.ASGITransport(app, raise_app_exceptions=False, client=("127.0.0.1", 1))
    async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as client:
        return await client.get("/api/campaigns")
