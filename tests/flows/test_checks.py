"""Every file of sql/checks finds the fault that it is there for, and nothing where there is none."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from sql.warehouse import Warehouse
from tests.flows.making import NOW_MS, campaign, event, outbound
from tests.flows.playing import CHECKS, faults, play

MISSING, EXTRA, MOVED = "missing", "extra", "moved"
VIEWS = (
    "messages_mv", "totals_mv", "minutes_mv", "latency_mv", "latency_sample_mv", "stages_mv", "reasons_mv",
    "provider_latency_mv",
)  # fmt: skip
STRANGER = "groupBitmapState(toUInt64(9999999))"

FAULTS: dict[tuple[str, str], str] = {
    ("messages", MISSING): "TRUNCATE TABLE messages",
    (
        "messages",
        EXTRA,
    ): "INSERT INTO messages (campaign_id, message_key, month) SELECT 'spring', 9999999, month FROM totals LIMIT 1",
    ("messages", MOVED): """
        INSERT INTO messages SELECT * REPLACE (delivered_at - INTERVAL 1 MILLISECOND AS delivered_at) FROM messages AS m
        WHERE m.delivered_at = (SELECT min(delivered_at) FROM messages) LIMIT 1
    """,
    **{
        (check, MISSING): f"TRUNCATE TABLE {table}"
        for check, table in {
            "totals": "totals",
            "timeline": "minutes",
            "latency": "latency",
            "latency_sample": "latency_sample",
            "dispositions": "dispositions",
            "splits": "splits",
            "stages": "stages",
            "reasons": "reasons",
            "provider_latency": "provider_latency",
        }.items()
    },
    ("totals", EXTRA): f"INSERT INTO totals SELECT * EXCEPT (messages), {STRANGER} FROM totals GROUP BY ALL LIMIT 1",
    ("stages", EXTRA): f"INSERT INTO stages SELECT * EXCEPT (messages), {STRANGER} FROM stages GROUP BY ALL LIMIT 1",
    ("stages", MOVED): "INSERT INTO stages SELECT * REPLACE ('read' AS stage) FROM stages LIMIT 1",
    ("reasons", EXTRA): f"INSERT INTO reasons SELECT * EXCEPT (messages), {STRANGER} FROM reasons GROUP BY ALL LIMIT 1",
    ("reasons", MOVED): "INSERT INTO reasons SELECT * REPLACE ('other' AS error_code) FROM reasons LIMIT 1",
    ("provider_latency", EXTRA): f"""
        INSERT INTO provider_latency SELECT * EXCEPT (messages), {STRANGER} FROM provider_latency GROUP BY ALL LIMIT 1
    """,
    (
        "provider_latency",
        MOVED,
    ): "INSERT INTO provider_latency SELECT * REPLACE (0 AS cell) FROM provider_latency LIMIT 1",
    ("totals", MOVED): "INSERT INTO totals SELECT * REPLACE ('other' AS provider) FROM totals LIMIT 1",
    (
        "timeline",
        EXTRA,
    ): f"INSERT INTO minutes SELECT * EXCEPT (messages), {STRANGER} FROM minutes GROUP BY ALL LIMIT 1",
    (
        "timeline",
        MOVED,
    ): "INSERT INTO minutes SELECT * REPLACE (minute - INTERVAL 1 MINUTE AS minute) FROM minutes LIMIT 1",
    ("latency", EXTRA): f"INSERT INTO latency SELECT * EXCEPT (messages), {STRANGER} FROM latency GROUP BY ALL LIMIT 1",
    ("latency", MOVED): "INSERT INTO latency SELECT * REPLACE (10 AS cell) FROM latency LIMIT 1",
    ("latency_sample", EXTRA): f"""
        INSERT INTO latency_sample SELECT * EXCEPT (messages), {STRANGER} FROM latency_sample GROUP BY ALL LIMIT 1
    """,
    ("latency_sample", MOVED): "INSERT INTO latency_sample SELECT * REPLACE (10 AS cell) FROM latency_sample LIMIT 1",
    ("dispositions", EXTRA): f"""
        INSERT INTO dispositions SELECT * EXCEPT (messages), {STRANGER} FROM dispositions GROUP BY ALL LIMIT 1
    """,
    ("dispositions", MOVED): "INSERT INTO dispositions SELECT * REPLACE (9 AS attempt) FROM dispositions LIMIT 1",
    ("splits", EXTRA): f"INSERT INTO splits SELECT * EXCEPT (messages), {STRANGER} FROM splits GROUP BY ALL LIMIT 1",
    ("splits", MOVED): "INSERT INTO splits SELECT * REPLACE ('elsewhere' AS value) FROM splits LIMIT 1",
}


@pytest.fixture
def played(tables: Warehouse, tmp_path: Path) -> Warehouse:
    """A campaign with a value in every rollup, repeats in several minutes and cells included."""
    keys = range(40)
    reports = [event(message_key=key, status=status) for key in keys for status in ("sent", "delivered")]
    late = [event(message_key=key, event_time=NOW_MS + 200_000, receipt_id="r-2") for key in keys[::2]]
    told = [outbound(kind, message_key=key, template="a") for key in keys for kind in ("intent", "rejected")]
    failed = [event(message_key=key, status="failed", error_code="131026") for key in keys[:5]]
    play(tables, tmp_path, campaign(), *told, *late, *reports, *failed)
    return tables


def test_checks_find_nothing_where_nothing_is_wrong(played: Warehouse) -> None:
    """Nor before or after the repeats are merged away."""
    assert faults(played) == {}
    for table in ("status_events", "messages", "minutes", "latency", "totals", "outbound"):
        played.command(f"OPTIMIZE TABLE {table} FINAL")
    assert faults(played) == {}


@pytest.mark.parametrize(("check", "kind"), FAULTS)
def test_a_check_finds_a_planted_fault(played: Warehouse, check: str, kind: str) -> None:
    """And is the only one to find it."""
    with _without_views(played):
        played.command(FAULTS[check, kind])
    assert list(faults(played)) == [check]


@pytest.mark.parametrize("key", [9_999_999, 3])
def test_an_event_that_no_rollup_saw_is_found_by_all(played: Warehouse, key: int) -> None:
    """Of a new message, or of one that is known by a later event."""
    with _without_views(played):
        played.command(f"""
            INSERT INTO status_events (campaign_id, message_key, attempt, status, provider, event_time, sent_at)
            SELECT campaign_id, number, 1, status, provider, event_time - toIntervalHour(1), sent_at - toIntervalDay(1)
            FROM (SELECT * FROM status_events WHERE status = 'delivered' LIMIT 1) AS one, numbers({key}, 16 * 40) AS n
        """)
    seen = {"messages", "totals", "timeline", "latency", "latency_sample", "stages", "provider_latency"}
    assert set(faults(played)) == seen


@contextmanager
def _without_views(tables: Warehouse) -> Iterator[None]:
    for view in VIEWS:
        tables.command(f"DETACH TABLE {view}")
    try:
        yield
    finally:
        for view in VIEWS:
            tables.command(f"ATTACH TABLE {view}")


def test_every_check_is_tried() -> None:
    assert {check for check, _ in FAULTS} == {path.stem for path in CHECKS.glob("*.sql")}
