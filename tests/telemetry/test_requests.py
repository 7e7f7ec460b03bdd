"""Requests are counted by few kinds, whatever is asked for."""

import asyncio
from typing import Any

import pytest
from prometheus_client import CollectorRegistry

from sql.telemetry.requests import NAMES, Counted, Receive, Scope, Send


async def application(scope: Scope, _receive: Receive, send: Send) -> None:
    if scope["path"] == "/api/breaks":
        raise ValueError
    await send({"type": "http.response.start", "status": 404 if "nobody" in scope["path"] else 200})
    await send({"type": "http.response.body", "body": b""})


def ask(*paths: str) -> CollectorRegistry:
    registry = CollectorRegistry()
    counted = Counted(application, registry, {"ses"})

    async def nothing(*_: Any) -> Any:
        return {}

    async def all_of_them() -> None:
        for path in paths:
            await counted({"type": "http", "path": path}, nothing, nothing)

    asyncio.run(all_of_them())
    return registry


def test_webhooks_by_provider_and_code() -> None:
    registry = ask("/webhooks/ses", "/webhooks/ses/token", "/webhooks/nobody-1", "/webhooks/nobody-2")
    value = registry.get_sample_value
    labels = {"kind": "webhooks", "provider": "ses", "code": "200"}
    assert value("tidemark_http_requests_total", labels) == 2
    assert value("tidemark_http_requests_total", labels | {"provider": "unknown", "code": "404"}) == 2
    assert value("tidemark_http_seconds_count", {"kind": "webhooks"}) == 4


def test_a_thousand_paths_make_three_series() -> None:
    registry = ask(
        *(f"/{number}" for number in range(500)), *(f"/api/{number}" for number in range(500)), "/api/x/live"
    )
    kinds = [
        sample.labels["kind"]
        for metric in registry.collect()
        for sample in metric.samples
        if sample.name == "tidemark_http_requests_total"
    ]
    assert sorted(kinds) == ["api", "live", "page"]
    assert registry.get_sample_value("tidemark_http_open", {"kind": "live"}) == 0


def test_one_that_breaks_is_counted_and_breaks_on() -> None:
    registry = CollectorRegistry()
    with pytest.raises(ValueError, match=r"^$"):
        asyncio.run(Counted(application, registry, ())({"type": "http", "path": "/api/breaks"}, None, None))  # type: ignore[arg-type]
    labels = {"kind": "api", "provider": "", "code": "none"}
    assert registry.get_sample_value("tidemark_http_requests_total", labels) == 1


HEAD = {"type": "http.response.start", "status": 200}
EMPTY = (b"content-length", b"0")


@pytest.mark.parametrize(
    ("answer", "counted"),
    [
        ([HEAD, {"body": b"1", "more_body": True}, {"body": b"2"}], [None, None, 1]),
        ([HEAD | {"headers": [EMPTY]}, {"body": b""}], [1, 1]),
    ],
)
def test_whoever_has_the_last_of_an_answer_finds_it_counted_once(
    answer: list[dict[str, Any]], counted: list[int | None]
) -> None:
    """The head is the last of one that says that nothing follows."""
    registry, seen = CollectorRegistry(), []
    labels = {"kind": "api", "provider": "", "code": "200"}

    async def in_parts(_scope: Scope, _receive: Receive, send: Send) -> None:
        for part in answer:
            await send({"type": "http.response.body"} | part)

    async def sent(_: Any) -> None:
        seen.append(registry.get_sample_value("tidemark_http_requests_total", labels))

    asyncio.run(Counted(in_parts, registry, ())({"type": "http", "path": "/api/"}, None, sent))  # type: ignore[arg-type]
    assert seen == counted
    assert registry.get_sample_value("tidemark_http_requests_total", labels) == 1
    assert registry.get_sample_value("tidemark_http_open", {"kind": "api"}) == 0


def test_names_are_those_exported() -> None:
    registry = ask("/")
    names = {sample.name for metric in registry.collect() for sample in metric.samples}
    assert {name for name in names if not name.endswith("_created")} == NAMES
