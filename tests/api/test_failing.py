"""When the database fails, the API says so in a line of its own, and nothing of what went on inside."""

import asyncio
import threading
from typing import Any

import httpx
import pytest
from anyio import to_thread

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


def test_the_process_counts_as_alive_while_all_its_threads_wait_for_the_database(
    tmp_path: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A restart would not help it; nor does it say that it is ready."""
    warehouse = Warehouse(f"chdb://{tmp_path / 'clickhouse'}")
    waiting, answered = threading.Semaphore(0), threading.Event()

    def wait(*_: object, **__: object) -> None:
        waiting.release()
        answered.wait(60)
        raise WarehouseDown("gone")

    monkeypatch.setattr(warehouse, "ask", wait)

    async def main() -> None:
        app = build_app(warehouse, Settings(recovery=str(tmp_path / "recovery")))
        threads = int(to_thread.current_default_thread_limiter().total_tokens)
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://localhost") as client:
            asked = [asyncio.create_task(client.get("/readyz")) for _ in range(threads + 1)]
            for _ in range(threads):
                await asyncio.get_running_loop().run_in_executor(None, waiting.acquire)
            try:
                assert (await asyncio.wait_for(client.get("/healthz"), 30)).status_code == 200
            finally:
                answered.set()
            assert {answer.status_code for answer in await asyncio.gather(*asked)} == {503}

    asyncio.run(main())
