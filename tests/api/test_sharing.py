"""What a share link shows, and for how long; and that what was opened by a key ends with it."""

import asyncio
import json
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from fastapi import FastAPI

import api.access
from api.app import build_app
from api.keys import create_key, revoke_key
from api.live import hub as hubs
from api.live.exactness import exactness_of
from api.live.pace import pace_of
from api.live.recent import recent_of
from api.live.shared import shared
from api.live.snapshot import AllProviders, FailureLine, Freshness, ProviderLine, Snapshot
from api.live.verdict import Facts, judge
from api.reports.accounting import Accounting, AccountingLine
from api.reports.comparison import Comparison, EarlierCampaign, Usual
from api.reports.cost import Cost, CountryCost
from api.reports.funnel import Attempts, Funnel, Rates
from api.reports.latency import Latency
from api.reports.plan import Plan
from schemas.settings import Settings
from schemas.times import HOUR_MS, SECOND_MS
from sql import audit
from sql.migrate import migrate
from sql.warehouse import Warehouse

NOW = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)
NOW_MS = int(NOW.timestamp() * 1000)
FREE_TEXT = (
    "paused: xyzzy lawyers called",
    "xyzzy waits for its invoice",
    "killed: xyzzy",
    "cancelled: xyzzy",
    "xyzzy",
)
PRICES = (777.5, 0.777)
WITHIN_S = 30


def snapshot(slower_because: str = "", now: datetime = NOW) -> Snapshot:
    """As the page of the campaign's own people gets it, with what is theirs in every place that takes text."""
    now_ms = int(now.timestamp() * 1000)
    seconds = [
        {
            "at": now - timedelta(seconds=60 - second), "achieved_per_s": 10.0, "allowed_per_s": 100.0,
            "slower_because": slower_because if second > 30 else "",
        }
        for second in range(60)
    ]  # fmt: skip
    ends = seconds[-1] | {"first_at": seconds[0]["at"], "last_at": now, "queue": 500, "in_flight": 1}
    pace = pace_of(
        seconds, ends, sent=60_000, queued=3_000, audience=9_000, active_at_ms=None, now_ms=now_ms
    )  # fmt: skip
    facts = Facts(
        pace=pace, audience=9_000, sendable=9_000, sent=6_000, delivered_share=0.9, failed_share=0.02, read_share=0.4,
        queued=3_000, gap=0, wrong_checks=0, failing_now=0.02, usual_failing=0.05, providers=[], p95_ms=None,
        sla_ms=None, sla_missed_s=0.0,
    )  # fmt: skip
    checks = [{"name": "funnel", "wrong": 1, "first_wrong": "{'campaign_id': 'xyzzy'}", "at": now, "seconds": 1.0}]
    counts = dict.fromkeys(Funnel.model_fields, 7) | {"sent": 6_001}
    return Snapshot(
        id=now_ms,
        freshness=Freshness(data_at=now, flows_at=now, lag_ms=10),
        plan=Plan(campaign_id="a", name="Autumn", channel="sms", audience=9_000, prices={"NL": PRICES[1]}),
        verdict=judge(facts),
        pace=pace,
        funnel=Funnel(**counts),
        rates=Rates(**dict.fromkeys(Rates.model_fields, 0.5)),
        attempts=Attempts(**dict.fromkeys(Attempts.model_fields, 3)),
        accounting=Accounting(audience=9_000, lines=[AccountingLine(what="queued", messages=3_000)], gap=0),
        queued=3_000,
        latency=Latency(exact=False, parts=[], delivered=[], within_sla=None, percentiles=[]),
        recent=recent_of({}, seconds, now_ms),
        providers=[
            ProviderLine(
                provider="infobip", channels=["sms"], state="steady", sent=6_001, per_s=1, delivered_rate=1,
                read_rate=1, failed_rate=0, p50_ms=1, p95_ms=2, success=1, trend=[], failed_strip=[],
            )
        ],
        all_providers=AllProviders(sent=6_001, delivered_rate=1, read_rate=1, failed_rate=0, read_at=None),
        failures=[
            FailureLine(
                provider="infobip", error_code="5", messages=7, meaning="gone", owner="Data team", action="looks",
                known=True, trend=[],
            )
        ],
        comparison=Comparison(
            earlier=[EarlierCampaign(campaign_id="xyzzy", name="xyzzy")],
            usual=[
                Usual(
                    status="read", lowest=0.1, highest=0.2, settles_lowest=0.1, settles_highest=0.3, maturing=True
                )
            ],
        ),
        cost=Cost(
            total=PRICES[0], per_message=PRICES[1], per_delivered=PRICES[1], complete=True,
            countries=[CountryCost(country="NL", messages=1, price=PRICES[1], cost=PRICES[1])],
        ),
        heatmap=None,
        exactness=exactness_of(checks),
    )  # fmt: skip


@pytest.mark.parametrize("slower_because", FREE_TEXT)
def test_what_is_shared_names_nothing_that_is_the_operators(slower_because: str) -> None:
    """The words are there in what it is made from."""
    inner = snapshot(slower_because)
    assert inner.model_dump_json().count("xyzzy") >= 4
    assert_shows_figures_alone(shared(inner).model_dump_json())


def assert_shows_figures_alone(text: str) -> None:
    assert "xyzzy" not in text
    told = json.loads(text)
    assert not set(numbers_of(told)) & set(PRICES)
    assert told["funnel"]["sent"] == 6_001
    assert told["plan"]["name"] == "Autumn"
    assert told["comparison"]["usual"][0]["highest"] == 0.2
    assert told["exactness"]["exact"] is False


def numbers_of(told: Any) -> Iterator[float]:
    """By value: digits of a price stand in times as well."""
    if isinstance(told, dict):
        told = list(told.values())
    if isinstance(told, list):
        for part in told:
            yield from numbers_of(part)
    elif isinstance(told, int | float):
        yield told


def test_reasons_and_marks_in_our_own_words_are_shown() -> None:
    told = shared(snapshot("throttled: xyzzy"))
    assert told.pace.why == "provider said “too many requests”"
    assert [event.what for event in told.recent.events] == ["provider said “too many requests”"]
    paused = shared(snapshot("paused: xyzzy"))
    assert [event.what for event in paused.recent.events] == ["paused"]
    assert (paused.pace.phase, paused.verdict.word) == ("paused", "Paused.")


class Stub:
    """A watcher without a database."""

    def snapshot(self) -> Snapshot:
        return snapshot("paused: xyzzy lawyers called", datetime.now(UTC))

    page = snapshot


@pytest.fixture
def app(tmp_path: Path, warehouse: Warehouse, monkeypatch: pytest.MonkeyPatch) -> Iterator[FastAPI]:
    monkeypatch.setattr(hubs, "TICK_S", 0.02)
    monkeypatch.setattr(hubs, "_WAITING", 10_000)  # none is dropped for being slow
    monkeypatch.setattr(api.access, "_KEPT_S", 0.0)
    migrate(warehouse)
    app = build_app(warehouse, Settings(recovery=str(tmp_path / "recovery")))
    monkeypatch.setattr(app.state.desk, "watcher", lambda _: Stub())
    yield app
    app.state.desk.background.stop()


async def watch(
    app: FastAPI, path: str, headers: dict[str, str] | None = None, then: Callable[[int], None] = lambda _: None
) -> list[str]:
    """The snapshots of a stream until it ends; after each `then` is told how many there were."""
    found: list[str] = []
    said = [(name.lower().encode(), text.encode()) for name, text in (headers or {}).items()]
    scope = {
        "type": "http", "method": "GET", "path": path, "raw_path": path.encode(), "query_string": b"", "headers": said,
        "scheme": "http", "server": ("localhost", 80), "client": ("127.0.0.1", 1), "root_path": "",
        "http_version": "1.1", "asgi": {"version": "3.0"},
    }  # fmt: skip

    async def receive() -> dict[str, Any]:
        await asyncio.Event().wait()
        return {}

    async def send(message: dict[str, Any]) -> None:
        if message["type"] == "http.response.start":
            assert message["status"] == 200
        elif message.get("body", b"").startswith(b"event: snapshot"):
            found.append(message["body"].decode())
            await asyncio.to_thread(then, len(found))

    task = asyncio.create_task(app(scope, receive, send))  # type: ignore[arg-type]
    await asyncio.wait({task}, timeout=WITHIN_S)
    assert task.done(), f"the stream goes on: {len(found)} snapshots"
    return found


def test_report_and_stream_of_a_link_show_figures_alone_until_it_ends(app: FastAPI) -> None:
    """The same campaign's own page, on the same stream of snapshots, shows all."""
    now_ms = [NOW_MS]
    app.state.links._clock = lambda: now_ms[0]
    token = app.state.links.sign({"campaign_id": "a"}, NOW_MS + HOUR_MS)
    key = bearer(create_key(app.state.context.warehouse, "a test", ["read"]).key)

    def pass_an_hour(seen: int) -> None:
        if seen == 3:
            now_ms[0] += HOUR_MS + SECOND_MS

    async def main() -> None:
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://localhost") as client:
            assert_shows_figures_alone((await client.get(f"/api/shared/{token}")).text)
            own = asyncio.create_task(watch(app, "/api/campaigns/a/live", key))
            seen = await watch(app, f"/api/shared/{token}/live", then=pass_an_hour)
            assert len(seen) >= 3
            for event in seen:
                assert_shows_figures_alone(event.partition("data: ")[2].partition("\n")[0])
            assert (await client.get(f"/api/shared/{token}")).status_code == 403
            await app.state.desk.hub.stop()
            inner = await own
            assert "xyzzy" in inner[0]
            assert set(PRICES) <= set(numbers_of(json.loads(inner[0].partition("data: ")[2].partition("\n")[0])))

    asyncio.run(main())


def test_a_stream_ends_with_its_key_and_others_go_on(app: FastAPI) -> None:
    warehouse = app.state.context.warehouse
    revoked, other = (create_key(warehouse, "a test", ["read"]) for _ in range(2))

    def revoke(seen: int) -> None:
        if seen == 2:
            revoke_key(warehouse, revoked.key_id)

    async def main() -> None:
        going_on = asyncio.create_task(watch(app, "/api/campaigns/a/live", bearer(other.key)))
        assert len(await watch(app, "/api/campaigns/a/live", bearer(revoked.key), revoke)) >= 2
        assert not going_on.done()
        await app.state.desk.hub.stop()
        assert await going_on

    asyncio.run(main())


def test_whoever_makes_a_link_stands_in_the_audit_log(app: FastAPI, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without an entry there is no link."""
    monkeypatch.setattr("api.share.read_plan", lambda *_: None)
    warehouse = app.state.context.warehouse
    made = create_key(warehouse, "a test", ["read"])

    async def main() -> None:
        transport = httpx.ASGITransport(app, raise_app_exceptions=False)
        async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as client:
            answer = await client.post("/api/campaigns/a/share", json={"hours": 2}, headers=bearer(made.key))
            assert answer.status_code == 200, answer.text
            [entry] = audit.entries(warehouse)
            assert (entry.action, entry.subject) == ("share", "a")
            assert entry.actor == f"key {made.key_id} a test"
            until = datetime.fromtimestamp(json.loads(entry.details)["until"] / 1000, UTC)
            assert until == datetime.fromisoformat(answer.json()["expires_at"])
            warehouse.command("DROP TABLE audit_log")
            answer = await client.post("/api/campaigns/a/share", json={"hours": 2}, headers=bearer(made.key))
            assert answer.status_code == 500
            assert "/s/" not in answer.text

    asyncio.run(main())


def bearer(key: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {key}"}
