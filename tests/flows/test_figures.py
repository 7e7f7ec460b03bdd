"""The queries, on campaigns small enough to be counted by hand."""

import re
from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path
from random import Random
from typing import Any, get_args

import pytest

from api.reports.messages import Line
from schemas.outbound import ScreenReason
from schemas.times import DAY_MS, HOUR_MS, MINUTE_MS
from sql.warehouse import Warehouse
from tests.flows.making import NOW_MS, Fields, campaign, event, outbound
from tests.flows.playing import faults, play

REASONS = get_args(ScreenReason)
QUERIES = Path(__file__).parents[2] / "sql" / "queries"
BEGIN_MS = NOW_MS - HOUR_MS
"""A whole minute, at which every first attempt is sent."""


def report(
    key: int, status: str, after_s: float, error_code: str | None = None, attempt: int = 1, **more: Any
) -> Fields:
    """A status `after_s` seconds after the first attempt was sent; each attempt is sent two minutes after the last."""
    sent_at = BEGIN_MS + 2 * MINUTE_MS * (attempt - 1)
    at = BEGIN_MS + int(1_000 * after_s)
    fields = {"message_key": key, "status": status, "attempt": attempt, "event_time": at, "sent_at": sent_at}
    return event(**fields, received_at=at + 500, error_code=error_code, **more)


REPORTS = [
    *(report(0, status, after) for status, after in (("sent", 1), ("delivered", 10), ("read", 70), ("clicked", 80))),
    report(1, "read", 20),
    report(2, "delivered", 65, receipt_id="r-2"),
    report(2, "delivered", 10),
    report(3, "failed", 5, "A"),
    report(4, "failed", 5, "A"),
    report(4, "delivered", 125, attempt=2),
    report(5, "failed", 5, "A"),
    report(5, "failed", 6, "B"),
    report(6, "rejected", 1, "C"),
    report(7, "clicked", 90),
    report(8, "accepted", 1),
    report(9, "complained", 1),
    report(10, "unsubscribed", 1),
    report(11, "unknown", 1),
    report(12, "deferred", 1),
    report(13, "rejected", 1, "C"),
    report(13, "delivered", 185, attempt=2),
]


def told(type_: str, key: int, attempt: int = 1, **more: Any) -> Fields:
    return outbound(type_, message_key=key, attempt=attempt, provider_message_id=f"pm-{key}-{attempt}", **more)


@pytest.fixture
def played(tables: Warehouse, tmp_path: Path) -> Warehouse:
    """The reports above, and templates of the first six messages."""
    templates = [told("intent", key, template="a" if key < 4 else "b", sent_at=BEGIN_MS) for key in range(6)]
    play(tables, tmp_path, *REPORTS, *templates)
    assert faults(tables) == {}
    return tables


def test_funnel(played: Warehouse) -> None:
    """Sent is all that the provider took. A message read or clicked was delivered, reported or not. One that arrived at
    last has not failed; one that was taken at last was not rejected."""
    assert played.ask("funnel", campaign_id="spring").row(0, named=True) == {
        "sent": 11, "delivered": 4, "delivered_inferred": 2, "read": 2, "clicked": 2, "failed": 2, "failed_ever": 3,
        "rejected": 1, "complained": 1, "unsubscribed": 1, "retried": 2,
    }  # fmt: skip


def test_figures_of_a_campaign_that_nobody_knows(played: Warehouse) -> None:
    assert set(played.ask("funnel", campaign_id="autumn").row(0)) == {0}
    for name in ("timeline", "latency", "percentiles", "failures"):
        assert played.ask(name, campaign_id="autumn").rows() == []
    assert played.ask("splits", campaign_id="autumn", dimension="template").rows() == []
    assert {row[-1] for row in played.ask("accounting", campaign_id="autumn").rows()} == {0}


def test_a_message_counts_in_its_first_minute(played: Warehouse) -> None:
    rows = played.ask("timeline", campaign_id="spring").rows()
    minutes = [datetime.fromtimestamp(BEGIN_MS / 1000 + 60 * number, UTC) for number in range(4)]
    found = {status: [(minutes.index(at), n) for name, at, n in rows if name == status] for status, _, _ in rows}
    assert found["delivered"] == [(0, 2), (2, 1), (3, 1)]
    assert found["read"] == [(0, 1), (1, 1)]
    assert found["clicked"] == [(1, 2)]
    assert found["failed"] == [(0, 3)]


def test_a_message_counts_in_its_shortest_latency(played: Warehouse) -> None:
    """Each attempt's from its own sending; cells are named by their lower bound."""
    rows = played.ask("latency", campaign_id="spring").rows()
    assert [row[1:] for row in rows if row[0] == "delivered"] == [(4_700, 1), (10_000, 2), (62_000, 1)]
    assert [row[1:] for row in rows if row[0] == "failed"] == [(4_700, 3)]


@pytest.mark.parametrize("step", [1, -1])
@pytest.mark.parametrize("later_s", [0, 60])
def test_a_report_without_the_time_of_sending_takes_no_latency_away(
    tables: Warehouse, tmp_path: Path, step: int, later_s: int
) -> None:
    """Whichever is read first, and whichever happened first: the report that tells a latency tells it."""
    dumb, telling = report(1, "delivered", 10), report(1, "delivered", 10 + later_s)
    del dumb["sent_at"]
    play(tables, tmp_path, *[dumb, telling][::step])
    assert faults(tables) == {}
    assert [row[2] for row in tables.ask("latency", campaign_id="spring").rows()] == [1]
    assert tables.ask("funnel", campaign_id="spring")["delivered"].to_list() == [1]


def test_failures_by_reason(played: Warehouse) -> None:
    """A message under each of its reasons; lost are those that did not arrive after all."""
    assert played.ask("failures", campaign_id="spring").rows() == [("canonical", "A", 3, 2), ("canonical", "B", 1, 1)]


def test_splits(played: Warehouse) -> None:
    """Where no outbound record says what a message is, it is unknown."""
    assert played.ask("splits", campaign_id="spring", dimension="template").rows() == [
        ("unknown", 5, 1, 0, 1, 0),
        ("a", 4, 2, 2, 1, 1),
        ("b", 2, 1, 0, 0, 1),
    ]
    assert played.ask("splits", campaign_id="spring", dimension="country").rows() == [("unknown", 11, 4, 2, 2, 2)]


def test_messages_and_their_state(played: Warehouse) -> None:
    states = played.query("SELECT message_key, state FROM v_messages ORDER BY message_key").rows()
    expected = "clicked read delivered failed delivered failed rejected clicked sent sent other other sent delivered"
    assert states == list(enumerate(expected.split()))
    first = played.query("SELECT delivered_at FROM v_messages WHERE message_key = 2").item()
    assert first == datetime.fromtimestamp(BEGIN_MS / 1000 + 10, UTC)


def test_percentiles_are_those_of_the_fixed_sixteenth(tables: Warehouse, tmp_path: Path) -> None:
    """The message at each rank, by the lower bound of its cell."""
    sampled = tables.query("SELECT number AS n FROM numbers(500) WHERE intHash32(toUInt64(number)) % 16 = 0")[
        "n"
    ].to_list()
    latency_s = {key: 10 if rank < len(sampled) * 0.6 else 100 for rank, key in enumerate(sampled)}
    latency_s[sampled[-1]] = 1_000
    play(tables, tmp_path, *(report(key, "delivered", after) for key, after in latency_s.items()))
    ((status, count, *percentiles),) = tables.ask("percentiles", campaign_id="spring").rows()
    assert (status, count) == ("delivered", len(sampled))
    ranked = sorted(latency_s.values())
    assert percentiles == [1_000 * ranked[-(-len(ranked) * share // 100) - 1] for share in (50, 95, 99)]
    play(tables, tmp_path, *(report(key, "delivered", 5) for key in range(500) if key not in latency_s))
    assert tables.ask("percentiles", campaign_id="spring").row(0)[1] == len(sampled)
    assert faults(tables) == {}


ACCOUNTS = [
    [told("intent", 0), told("accepted", 0)],
    [told("intent", 1), report(1, "delivered", 5)],
    [told("intent", 2), told("in_doubt", 2)],
    [told("intent", 3), told("in_doubt", 3), told("settled", 3)],
    [told("in_doubt", 4), told("settled", 4, outcome="lost")],
    [told("in_doubt", 5), told("settled", 5, outcome="lost"), told("intent", 5, 2), told("in_doubt", 5, 2)],
    [told("intent", 6)],
    [told("screened", 7, reason="suppressed")],
    [told("screened", 8, reason="capped")],
    [told("intent", 9), told("rejected", 9)],
    [told("intent", 10), told("rejected", 10, final=False)],
    [told("in_doubt", 11, 1), told("intent", 11, 2), told("accepted", 11, 2)],
    [told("rejected", 12), told("intent", 12, 2)],
    [told("in_doubt", 13, 2), told("settled", 13, 1, outcome="lost")],
]


def flat(groups: Iterable[list[Fields]]) -> list[Fields]:
    return [one for group in groups for one in group]


def accounts(warehouse: Warehouse) -> dict[str, int]:
    return {what: messages for _, what, messages in warehouse.ask("accounting", campaign_id="spring").rows()}


@pytest.mark.parametrize("step", [1, -1])
def test_accounting(tables: Warehouse, tmp_path: Path, step: int) -> None:
    """A doubt or an intent is settled by the same attempt only: 5 and 13 are in doubt by their second, 12 in flight."""
    play(tables, tmp_path, campaign(audience=16), *flat(ACCOUNTS)[::step])
    assert accounts(tables) == {
        "handed over": 4,
        "in doubt": 3,
        "in flight": 2,
        "screened: capped": 1,
        "screened: suppressed": 1,
        "rejected for good": 1,
        "queued": 4,
        "overdrawn": 0,
    }
    assert faults(tables) == {}


def test_accounting_of_more_messages_than_planned(tables: Warehouse, tmp_path: Path) -> None:
    play(tables, tmp_path, campaign(audience=1), told("accepted", 0), told("intent", 1), told("intent", 2))
    found = accounts(tables)
    assert (found["handed over"], found["in flight"], found["queued"], found["overdrawn"]) == (1, 2, 0, 2)


def test_a_message_stands_on_one_line_of_the_account(tables: Warehouse, tmp_path: Path) -> None:
    """Screened for two reasons it is still one message; sent all the same, it is handed over."""
    twice = [told("screened", 0, reason="expired"), told("screened", 0, reason="capped")]
    play(tables, tmp_path, campaign(audience=2), *twice, told("screened", 1), told("accepted", 1))
    found = accounts(tables)
    assert sum(found.values()) == 2
    assert (found["screened: capped"], found["screened: expired"]) == (1, 0)
    assert found["handed over"] == 1


@pytest.mark.parametrize("seed", range(3))
def test_rows_behind_a_line_of_the_account_are_as_many_as_it_says_and_stand_behind_no_other(
    tables: Warehouse, tmp_path: Path, seed: int
) -> None:
    """Whatever a sender said of a message, and however often: two queries, one definition."""
    random = Random(seed)
    said = [said_of(random, key) for key in range(300) for _ in range(random.randint(0, 4))]
    play(tables, tmp_path, campaign(audience=400), *random.sample(said, len(said)))
    counted = {what: messages for what, messages in accounts(tables).items() if what not in ("queued", "overdrawn")}
    behind = {
        what: tables.ask("messages_of_line", campaign_id="spring", what=what, after=-1, at_most=1_000)["message_key"]
        for what in counted
    }
    assert {what: len(keys) for what, keys in behind.items()} == counted
    assert min(counted.values()) > 0
    assert len(counted) == 4 + len(REASONS)
    assert len(set().union(*behind.values())) == sum(counted.values())


def said_of(random: Random, key: int) -> Fields:
    type_ = random.choice(("screened", "screened", "intent", "accepted", "rejected", "in_doubt", "settled"))
    of_type: dict[str, Fields] = {
        "screened": {"reason": random.choice(REASONS)},
        "rejected": {"final": random.random() < 0.5},
        "settled": {"outcome": random.choice(("sent", "lost"))},
    }
    return told(type_, key, random.randint(1, 2), **of_type.get(type_, {}))


def test_reasons_to_screen_are_the_same_in_records_queries_and_the_api() -> None:
    for name in ("accounting", "messages_of_line"):
        [listed] = re.findall(r"\[([^]]*)\] AS reasons", (QUERIES / f"{name}.sql").read_text())
        assert listed == ", ".join(f"'{reason}'" for reason in REASONS)
    assert [line for line in get_args(Line) if line.startswith("screened")] == [f"screened: {told}" for told in REASONS]


def listed(warehouse: Warehouse, search: str = "", at_most: int = 10, skip: int = 0) -> list[str]:
    return warehouse.ask("campaigns", search=search, at_most=at_most, skip=skip)["campaign_id"].to_list()


def test_campaign_list(tables: Warehouse, tmp_path: Path) -> None:
    """Newest first, by id or name in any case; also those of which nothing was sent yet."""
    plans = [
        campaign(campaign_id="may-1", name="Frühling", frozen_at=NOW_MS - 3 * DAY_MS, at=NOW_MS - 3 * DAY_MS),
        campaign(campaign_id="may-2", name="100 % off_", frozen_at=NOW_MS - 2 * DAY_MS, at=NOW_MS - 2 * DAY_MS),
        campaign(campaign_id="spring", name="Sale", frozen_at=NOW_MS - 2 * DAY_MS, at=NOW_MS - 2 * DAY_MS),
    ]
    play(tables, tmp_path, *plans, plans[0] | {"name": "Mai", "at": NOW_MS}, *REPORTS)
    assert listed(tables) == ["may-2", "spring", "may-1"]
    assert [listed(tables, at_most=1, skip=skip) for skip in range(4)] == [["may-2"], ["spring"], ["may-1"], []]
    assert listed(tables, "MAY") == ["may-2", "may-1"]
    assert (listed(tables, "mai"), listed(tables, "Frühling")) == (["may-1"], [])
    assert (listed(tables, "%"), listed(tables, "_"), listed(tables, "'; DROP TABLE totals")) == (
        ["may-2"],
        ["may-2"],
        [],
    )
    (found,) = (
        tables.ask("campaigns", search="spring", at_most=1, skip=0)
        .select("audience", "sent", "delivered", "read")
        .rows()
    )
    assert found == (10, 11, 4, 2)


def test_every_column_and_table_says_what_it_is(tables: Warehouse) -> None:
    """Of tables and of views for reading; the ones that only pass rows on are left out."""
    read = "database = currentDatabase() AND engine != 'MaterializedView'"
    bare = f"SELECT name FROM system.tables WHERE {read} AND comment = ''"
    columns = f"""
        SELECT table, name FROM system.columns
        WHERE database = currentDatabase() AND comment = '' AND table IN (SELECT name FROM system.tables WHERE {read})
    """
    assert tables.query(f"SELECT count() AS n FROM system.tables WHERE {read}").item() >= 16
    assert tables.query(bare).rows() == []
    assert tables.query(columns).rows() == []
