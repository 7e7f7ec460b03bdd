"""Counts of closed minutes give the same timeline as reading all of it, and never count a message twice."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import polars as pl
import pytest

from api.context import Context
from api.live.checking import CHECKS, LOOKS, Checking
from api.live.closing import Closing, close_campaign, count_splits
from api.live.counted import count_answers
from api.live.pulse import Pulse
from api.live.snapshot import Snapshot
from api.live.watcher import Watcher
from api.reports.splits import COUNTED, read_split
from api.reports.timeline import FAR_S
from schemas.settings import Settings
from schemas.times import HOUR_MS, MINUTE_MS, fixed_clock
from sql.migrate import migrate
from sql.warehouse import Warehouse
from tests.flows.making import NOW_MS, Fields, campaign, event, outbound
from tests.flows.playing import play

ALL_CHECKS = sorted(CHECKS.glob("*.sql"))


def timeline(context: Context, step_s: int = 60) -> pl.DataFrame:
    return context.ask("timeline_steps", campaign_id="spring", step_s=step_s, since=0, before=FAR_S)


def context_of(warehouse: Warehouse, at_ms: int = NOW_MS) -> Context:
    return Context(warehouse, Settings(), fixed_clock(at_ms))


def test_closed_minutes_change_nothing_but_the_time_it_takes(warehouse: Warehouse, tmp_path: Path) -> None:
    """Messages in two minutes, on both sides of the line between closed and open, count once, in the first."""
    migrate(warehouse)
    old, new = NOW_MS - HOUR_MS, NOW_MS - 2 * MINUTE_MS
    first = [event(message_key=key, event_time=old + key * MINUTE_MS) for key in range(20)]
    later = [event(message_key=key, event_time=new, receipt_id="r2") for key in range(10, 30)]
    play(warehouse, tmp_path, campaign(), *first, *later)
    context = context_of(warehouse)
    whole = timeline(context)
    assert whole["messages"].sum() == 30
    close_campaign(context, "spring")
    assert context.rows("closed_until", campaign_id="spring")[0]["closed_until"].timestamp() * 1000 < new
    assert timeline(context).equals(whole)
    exact = context.ask("timeline", campaign_id="spring").rename({"minute": "step"})
    assert (
        timeline(context)
        .select("status", "messages")
        .sort("status", "messages")
        .equals(exact.select("status", pl.col("messages").cast(whole["messages"].dtype)).sort("status", "messages"))
    )


def test_a_late_report_for_a_closed_minute_counts_from_the_next_round_on(warehouse: Warehouse, tmp_path: Path) -> None:
    migrate(warehouse)
    play(warehouse, tmp_path / "a", campaign(), event(message_key=1, event_time=NOW_MS - HOUR_MS))
    context = context_of(warehouse)
    close_campaign(context, "spring")
    play(warehouse, tmp_path / "b", event(message_key=2, event_time=NOW_MS - HOUR_MS))
    assert timeline(context)["messages"].sum() == 1
    close_campaign(context_of(warehouse, NOW_MS + 1), "spring")
    assert timeline(context)["messages"].sum() == 2


def test_splits_counted_beforehand_are_those_counted_now(warehouse: Warehouse, tmp_path: Path) -> None:
    """All of the latest count and nothing of the one before: a value that nobody has any more is gone."""
    migrate(warehouse)
    asked = [outbound("accepted", message_key=key, country="NL", template="a") for key in range(5)]
    play(warehouse, tmp_path / "a", campaign(), *asked, *[event(message_key=key) for key in range(8)])
    context = context_of(warehouse)
    assert read_split(context, "spring", "country").counted_at is None
    count_splits(context, "spring")
    for dimension in COUNTED:
        counted, now = read_split(context, "spring", dimension), read_split(context, "spring", dimension, now=True)
        assert counted.counted_at is not None
        assert counted.rows == now.rows
    assert {row.value: row.sent for row in read_split(context, "spring", "country").rows} == {"NL": 5, "unknown": 3}
    play(warehouse, tmp_path / "b", *[outbound("accepted", message_key=key, country="BE") for key in range(5, 8)])
    count_splits(context_of(warehouse, NOW_MS + 1), "spring")
    assert {row.value: row.sent for row in read_split(context, "spring", "country").rows} == {"NL": 5, "BE": 3}


def test_a_page_that_was_counted_beforehand_is_the_page_counted_now(warehouse: Warehouse, tmp_path: Path) -> None:
    migrate(warehouse)
    asked = [outbound("accepted", message_key=key, channel="sms") for key in range(5)]
    events = [event(message_key=key, status=status) for key in range(4) for status in ("accepted", "sent", "delivered")]
    play(warehouse, tmp_path, campaign(at=NOW_MS), *asked, *events, event(message_key=9, status="failed", attempt=2))
    context = context_of(warehouse)
    now = page_of(context)
    count_answers(context, "spring")
    counted = page_of(context)
    Pulse()(context)
    with_pulse = page_of(context_of(warehouse, NOW_MS + 5_000))
    assert [page.counted_at is None for page in (now, counted, with_pulse)] == [True, False, False]
    for name in ("funnel", "attempts", "accounting", "latency", "comparison", "cost", "verdict"):
        assert getattr(counted, name) == getattr(now, name), name
    assert now.providers == counted.providers
    stands = {"provider", "channels", "sent", "delivered_rate", "read_rate", "failed_rate", "p50_ms", "p95_ms"}
    lines = [[line.model_dump(include=stands) for line in page.providers] for page in (now, with_pulse)]
    assert lines[0] == lines[1] != []


def test_the_table_of_providers_agrees_with_itself_while_messages_flow(warehouse: Warehouse, tmp_path: Path) -> None:
    """All together is read with the lines: at once where it is asked now, else at the time that it tells."""
    migrate(warehouse)
    play(warehouse, tmp_path / "a", campaign(at=NOW_MS), *accepted("a", 0, 5), *accepted("b", 5, 7))
    context = context_of(warehouse)
    live = page_of(context)
    assert (table(live), live.all_providers.read_at) == ({"": 7, "a": 5, "b": 2}, None)
    count_answers(context, "spring")
    Pulse()(context)
    play(warehouse, tmp_path / "b", *accepted("a", 7, 10), *accepted("b", 0, 1))
    later = page_of(context_of(warehouse, NOW_MS + 5_000))
    assert later.funnel.sent == 10
    assert table(later) == {"": 7, "a": 5, "b": 2}
    assert later.all_providers.read_at is not None
    Pulse()(context_of(warehouse, NOW_MS + 10_000))
    assert table(page_of(context_of(warehouse, NOW_MS + 12_000))) == {"": 10, "a": 8, "b": 3}, (
        "message 0 was tried at both"
    )


def accepted(provider: str, first: int, end: int) -> list[Fields]:
    return [event(message_key=key, status="accepted", provider=provider) for key in range(first, end)]


def table(page: Snapshot) -> dict[str, int]:
    return {"": page.all_providers.sent} | {line.provider: line.sent for line in page.providers}


def page_of(context: Context) -> Snapshot:
    with ThreadPoolExecutor(4) as pool:
        return Watcher(context, "spring", pool).page()


def test_only_a_campaign_that_something_came_of_is_counted_again(warehouse: Warehouse, tmp_path: Path) -> None:
    """One a call; what stands still is counted until all of its minutes are closed, and then let be."""
    migrate(warehouse)
    others = [campaign(campaign_id="autumn"), event(campaign_id="autumn", status="accepted")]
    play(warehouse, tmp_path / "a", campaign(), event(status="accepted"), *others)
    closing, later = Closing(large=1), NOW_MS + HOUR_MS
    assert [closing(context_of(warehouse)) for _ in range(3)] == [1, 1, 1]
    assert [closing(context_of(warehouse, later)) for _ in range(3)] == [1, 1, 0]
    assert Closing(large=2)(context_of(warehouse)) == 0
    play(warehouse, tmp_path / "b", event(status="accepted", message_key=8))
    assert [closing(context_of(warehouse, later)) for _ in range(2)] == [1, 1]
    assert [closing(context_of(warehouse, later + HOUR_MS)) for _ in range(2)] == [1, 0]


@pytest.fixture
def few_looks(monkeypatch: pytest.MonkeyPatch) -> int:
    monkeypatch.setattr("api.live.checking.LOOKS", 3)
    return 3


def test_checks_are_run_and_told(warehouse: Warehouse, tmp_path: Path, few_looks: int) -> None:
    """Nothing wrong, then a planted fault: told once each look has found it."""
    migrate(warehouse)
    play(warehouse, tmp_path / "a", campaign(), event())
    context, checking = context_of(warehouse), Checking()
    assert [checking(context) for _ in ALL_CHECKS] == [0] * len(ALL_CHECKS)
    assert {row["wrong"] for row in context.rows("check_runs")} == {0}
    plant(warehouse, "read")
    play(warehouse, tmp_path / "b", event(message_key=8))
    later = context_of(warehouse, NOW_MS + 1)
    assert [checking(later) for _ in range(len(ALL_CHECKS) + few_looks - 1)].count(1) == 1
    told = {row["name"]: (row["wrong"], row["first_wrong"]) for row in context.rows("check_runs")}
    assert {name for name, (wrong, _) in told.items() if wrong} == {"stages"}
    assert "'stage': 'read'" in told["stages"][1]


@pytest.mark.parametrize(
    ("looks", "told"),
    [
        ([("spring", "autumn"), ("spring",), ("autumn",)], 0),
        ([("spring",)] * (LOOKS - 1) + [()], 0),
        ([("spring", "autumn")] + [("autumn", "winter")] * (LOOKS - 1), 1),
    ],
)
def test_wrong_is_what_each_look_finds_wrong(
    warehouse: Warehouse, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, looks: list[tuple[str, ...]], told: int
) -> None:
    """While a flow inserts, cells are wrong at one look and right at another."""
    (tmp_path / "planted.sql").write_text("SELECT campaign_id, 1 AS expected, 2 AS found FROM planted")
    monkeypatch.setattr("api.live.checking.CHECKS", tmp_path)
    migrate(warehouse)
    warehouse.command("CREATE TABLE planted (campaign_id String) ENGINE = Memory")
    context, checking = context_of(warehouse), Checking()
    for number, campaigns in enumerate(looks):
        assert context.rows("check_runs") == [], f"told after {number} looks"
        warehouse.command("TRUNCATE TABLE planted")
        warehouse.insert("planted", pl.DataFrame({"campaign_id": campaigns}, schema={"campaign_id": pl.String}))
        checking(context)
    assert [row["wrong"] for row in context.rows("check_runs")] == [told]


def test_a_finished_campaign_is_checked_again_when_something_came(
    warehouse: Warehouse, tmp_path: Path, few_looks: int
) -> None:
    migrate(warehouse)
    play(warehouse, tmp_path / "a", campaign(), event())
    context, checking, checks = context_of(warehouse), Checking(), len(ALL_CHECKS)
    assert [runs(context, checking) for _ in range(checks + 3)] == [1] * checks + [0] * 3
    play(warehouse, tmp_path / "b", event(message_key=8))
    assert [runs(context, checking) for _ in range(checks + 1)] == [1] * checks + [0]
    plant(warehouse, "read")
    play(warehouse, tmp_path / "c", event(message_key=9))
    looks = [runs(context, checking) for _ in range(2 * (checks + few_looks - 1))]
    assert sum(looks) == 2 * checks, "what is wrong is looked at again"


def plant(warehouse: Warehouse, stage: str) -> None:
    """A stage that no message of the set has reached."""
    warehouse.command(f"INSERT INTO stages SELECT * REPLACE ('{stage}' AS stage) FROM stages LIMIT 1")


def runs(context: Context, checking: Checking) -> int:
    """Checks that a call ends."""
    count = "SELECT count() FROM check_runs"
    before = context.warehouse.query(count).item()
    checking(context)
    return int(context.warehouse.query(count).item() - before)


def test_the_pulse_of_what_stands_still_is_read_from_no_set(warehouse: Warehouse, tmp_path: Path) -> None:
    """Repeated before half a minute is over, so that no gap opens; once more at the last look when it moves again."""
    migrate(warehouse)
    play(warehouse, tmp_path / "a", campaign(at=NOW_MS), event())
    pulse = Pulse()
    assert [pulse(context_of(warehouse, NOW_MS + at)) for at in (0, 5_000, 25_000, 30_000)] == [1, 0, 0, 0]
    assert readings(warehouse) == [(0, 1), (25_000, 1)]
    play(warehouse, tmp_path / "b", event(message_key=8))
    assert pulse(context_of(warehouse, NOW_MS + 35_000)) == 1
    assert readings(warehouse) == [(0, 1), (25_000, 1), (30_000, 1), (35_000, 2)]


def readings(warehouse: Warehouse) -> list[tuple[int, int]]:
    """Time behind NOW_MS and messages delivered."""
    told = warehouse.query("SELECT at, delivered FROM pulse WHERE provider = '' ORDER BY at")
    return [(int(at.timestamp() * 1000) - NOW_MS, delivered) for at, delivered in told.rows()]
