"""Statuses without our ids, and senders that number nothing: matched exactly, whatever comes first or fails between."""

from pathlib import Path
from typing import Any

import polars as pl
import pytest

from flows.identity import HashKey
from flows.stats import LaneStats
from flows.stopping import Stop
from flows.sweeper import WAITS_AT_MOST_MS, Sweeper
from flows.topics import Record
from schemas.errors import WarehouseDown
from schemas.statuses import Lane
from schemas.times import DAY_MS, fixed_clock
from sql.warehouse import Warehouse
from tests.flows.making import FIRST_PLACE, NOW_MS, Fields, foreign, line, outbound, records_of
from tests.flows.playing import KEYS, Middle, Mode, faults, play

EVENTS = """
    SELECT campaign_id, message_key, attempt, toString(status) AS status, error_code, sent_at IS NOT NULL AS timed
    FROM v_events WHERE status != 'accepted' ORDER BY ALL
"""


def guest(number: int = 0, **changes: Any) -> Fields:
    """An accepted record of a sender that numbers nothing."""
    return outbound("accepted", **{"message_key": None, "provider_message_id": f"pm-{number}"} | changes)


def events(warehouse: Warehouse) -> list[tuple[Any, ...]]:
    return warehouse.query(EVENTS).rows()


def messages(warehouse: Warehouse) -> int:
    """By the sets that figures are read from."""
    return int(warehouse.query("SELECT groupBitmapMerge(messages) AS n FROM totals").item())


def count(warehouse: Warehouse, table: str) -> int:
    return int(warehouse.query(f"SELECT count() AS n FROM {table} FINAL").item())


@pytest.mark.parametrize("status_first", [False, True])
def test_a_status_finds_its_message_whichever_comes_first(
    tables: Warehouse, tmp_path: Path, status_first: bool
) -> None:
    """And lies there as one with our ids would, with attempt and sent time of the record; nothing waits any more."""
    both = [outbound("accepted", attempt=2), foreign(status="failed", error_code="131026")]
    middle = play(tables, tmp_path, *(both[::-1] if status_first else both))
    assert events(tables) == [("spring", 7, 2, "failed", "131026", True)]
    assert (count(tables, "waiting"), tables.ask("unmatched").rows()) == (0, [])
    assert middle.stats.take(0)["matched"] == 1
    assert faults(tables) == {}


def test_what_waits_is_apart_from_all_counts(tables: Warehouse, tmp_path: Path) -> None:
    play(tables, tmp_path, foreign(), foreign(provider_message_id="pm-2"), foreign(provider="other"))
    assert (events(tables), messages(tables)) == ([], 0)
    unmatched = [(provider, str(day), statuses) for provider, day, statuses in tables.ask("unmatched").rows()]
    day = str(pl.Series([NOW_MS - 4_000]).cast(pl.Datetime("ms")).dt.date()[0])
    assert unmatched == [("canonical", day, 2), ("other", day, 1)]


def test_the_same_status_waits_once(tables: Warehouse, tmp_path: Path) -> None:
    """However often it came before its message, after it, or in a replay of all."""
    again = foreign(receipt_id="r-2", received_at=NOW_MS - 3_000)
    play(tables, tmp_path / "a", foreign(), again, foreign())
    assert sum(row[-1] for row in tables.ask("unmatched").rows()) == 1
    play(tables, tmp_path / "b", outbound("accepted"), again, foreign())
    play(tables, tmp_path / "c", foreign(), again, outbound("accepted"))
    assert events(tables) == [("spring", 7, 1, "delivered", "", True)]
    assert count(tables, "waiting") == 0
    assert faults(tables) == {}


def test_copies_of_a_matched_status_are_closed_and_land_once(tables: Warehouse, tmp_path: Path) -> None:
    again = [foreign(receipt_id=f"r-{number}", received_at=NOW_MS - 3_000 + number) for number in range(5)]
    for number, copy in enumerate(again):
        play(tables, tmp_path / str(number), copy)
    play(tables, tmp_path / "known", outbound("accepted"))
    assert count(tables, "waiting") == 0
    assert tables.query("SELECT count() AS rows FROM status_events WHERE status = 'delivered'").row(0) == (1,)


def test_another_providers_id_is_another_id(tables: Warehouse, tmp_path: Path) -> None:
    play(
        tables,
        tmp_path,
        outbound("accepted", provider="a"),
        outbound("accepted", provider="b", message_key=8),
        foreign(provider="b"),
    )
    assert [row[1] for row in events(tables)] == [8]


ONE_ID_FOR_TWO = [
    outbound("accepted", message_key=1, recipient="ann@example.org"),
    outbound("accepted", message_key=2, recipient="bob@example.org"),
]


def test_where_an_id_covers_several_the_recipient_tells_which(tables: Warehouse, tmp_path: Path) -> None:
    play(tables, tmp_path, *ONE_ID_FOR_TWO, foreign(recipient="bob@example.org"))
    assert [row[1] for row in events(tables)] == [2]


@pytest.mark.parametrize("recipient", [None, "", "eve@example.org"])
def test_where_an_id_covers_several_and_none_is_named_the_status_waits(
    tables: Warehouse, tmp_path: Path, recipient: str | None
) -> None:
    play(tables, tmp_path, *ONE_ID_FOR_TWO, foreign(recipient=recipient))
    assert (events(tables), count(tables, "waiting")) == ([], 1)


@pytest.mark.parametrize(("told", "reported"), [("+49151", None), (None, "+49151"), ("+49 151", "49151")])
def test_an_id_of_one_message_needs_no_recipient(
    tables: Warehouse, tmp_path: Path, told: str | None, reported: str | None
) -> None:
    """Nor the same one: providers write numbers in ways of their own, or name an account instead."""
    play(tables, tmp_path, outbound("accepted", recipient=told), foreign(recipient=reported))
    assert [row[1] for row in events(tables)] == [7]


def test_each_attempt_has_its_own_id(tables: Warehouse, tmp_path: Path) -> None:
    tries = [outbound("accepted", attempt=number, provider_message_id=f"pm-{number}") for number in (1, 2)]
    reports = [
        foreign(provider_message_id=f"pm-{number}", status=status)
        for number, status in ((2, "delivered"), (1, "failed"))
    ]
    play(tables, tmp_path, *tries, *reports)
    assert [row[2:4] for row in events(tables)] == [(1, "failed"), (2, "delivered")]
    assert messages(tables) == 1


OLD, NEW = KEYS[0], HashKey(2, b"n" * 16)


@pytest.mark.parametrize("recipient", [None, "+49151"])
def test_an_id_recorded_under_an_older_key_is_found(tables: Warehouse, tmp_path: Path, recipient: str | None) -> None:
    """Also where the recipient has to tell which message is meant."""
    keys_then, keys_now = [OLD], [NEW, HashKey(3, b"x" * 16), OLD]
    before = Middle(tables, tmp_path / "a", keys=keys_then)
    other = [outbound("accepted", message_key=8, recipient="+49152")] if recipient else []
    before.outbound(records_of(map(line, [outbound("accepted", recipient=recipient), *other])))
    before.finish()
    after = Middle(tables, tmp_path / "b", keys=keys_now)
    after.events(Lane.DELIVERED, records_of([line(foreign(recipient=recipient))]))
    after.finish()
    assert [row[1] for row in events(tables)] == [7]
    assert count(tables, "waiting") == 0


def test_an_id_under_a_key_that_is_gone_is_not_found(tables: Warehouse, tmp_path: Path) -> None:
    before = Middle(tables, tmp_path / "a", keys=[OLD])
    before.outbound(records_of([line(outbound("accepted"))]))
    before.finish()
    after = Middle(tables, tmp_path / "b", keys=[NEW])
    after.events(Lane.DELIVERED, records_of([line(foreign())]))
    after.finish()
    assert count(tables, "waiting") == 1


def placed(place: int, fields: Fields, partition: int = 0) -> Record:
    return Record(partition, place, FIRST_PLACE + place, line(fields))


@pytest.mark.parametrize(
    "polls",
    [
        [[placed(5, guest()), placed(9, guest())]],
        [[placed(5, guest())], [placed(9, guest())]],
        [[placed(9, guest())], [placed(5, guest())]],
        [[placed(5, guest())], [placed(1 << 52, guest(), partition=1)]],
        [[placed(5, guest())], [placed(5, guest())]],
        [[placed(5, guest()), placed(6, guest(type="settled", outcome="sent"))]],
    ],
    ids=["one_batch", "a_later_batch", "a_later_batch_of_before", "another_partition", "a_replay", "another_type"],
)
@pytest.mark.parametrize("sweep_between", [True, False])
def test_a_record_without_a_key_written_twice_is_one_message(
    tables: Warehouse, tmp_path: Path, polls: list[list[Record]], sweep_between: bool
) -> None:
    """Its key is the place of the first that was seen, also for what its provider reports."""
    middle = Middle(tables, tmp_path)
    for poll in polls:
        middle.outbound(poll)
        middle.flush()
        if sweep_between:
            middle.sweeper.sweep(full=False)
    middle.events(Lane.DELIVERED, records_of([line(foreign(provider_message_id="pm-0"))]))
    middle.finish()
    (row,) = events(tables)
    first_seen = polls[0] if sweep_between else [record for poll in polls for record in poll]
    assert row[1] == min(record.place for record in first_seen)
    assert (messages(tables), count(tables, "unkeyed"), count(tables, "waiting")) == (1, 0, 0)
    assert faults(tables) == {}


def test_records_without_a_key_are_told_apart(tables: Warehouse, tmp_path: Path) -> None:
    """By campaign, provider, id and recipient."""
    differing: list[Fields] = [
        {},
        {"campaign_id": "autumn"},
        {"provider": "other"},
        {"provider_message_id": "x"},
        {"recipient": "+49"},
    ]
    play(tables, tmp_path, *(guest(**one) for one in differing))
    assert tables.query("SELECT uniqExact(campaign_id, message_key) AS n FROM v_events").item() == len(differing)


def test_a_record_without_a_key_joins_the_numbered_message_with_its_id(tables: Warehouse, tmp_path: Path) -> None:
    """Number 0 is a number."""
    play(
        tables,
        tmp_path,
        outbound("accepted", message_key=0),
        guest(provider_message_id="pm-1", type="settled", outcome="sent"),
    )
    assert (messages(tables), tables.query("SELECT uniqExact(message_key) AS n FROM outbound").item()) == (1, 1)


def test_waiting_ends_after_seven_days(tables: Warehouse, tmp_path: Path) -> None:
    """By when it was received: what is older stays, and is shown as unmatched."""
    came = NOW_MS - WAITS_AT_MOST_MS
    times = {"event_time": came - DAY_MS, "sent_at": None}
    old, young = foreign(received_at=came - 1, **times), foreign(received_at=came + 1, **times, status="read")
    play(tables, tmp_path, old, young, outbound("accepted", at=came, sent_at=came))
    assert [row[3] for row in events(tables)] == ["read"]
    assert sum(row[-1] for row in tables.ask("unmatched").rows()) == 1


class Dies(Exception):
    """The process is gone."""


class Dying:
    """A warehouse that is left after so many inserts."""

    def __init__(self, warehouse: Warehouse, inserts: int) -> None:
        self._warehouse = warehouse
        self._left = inserts

    def insert(self, table: str, frame: pl.DataFrame) -> None:
        if not self._left:
            raise Dies
        self._left -= 1
        self._warehouse.insert(table, frame)

    def ask(self, name: str, **parameters: Any) -> pl.DataFrame:
        return self._warehouse.ask(name, **parameters)


TOLD = [
    guest(1),
    guest(1, at=NOW_MS - 7_000),
    guest(2, template="t", recipient="+49151"),
    outbound("accepted", provider_message_id="pm-3"),
]
REPORTED = [
    foreign(provider_message_id=f"pm-{number}", status=status) for number in (1, 2, 3) for status in ("sent", "read")
]


@pytest.mark.parametrize("inserts", range(6))
def test_a_crash_between_two_inserts_changes_nothing(tables: Warehouse, tmp_path: Path, inserts: int) -> None:
    """The sweeper dies after so many inserts, once or again; another goes on from there. One that lives does five."""
    middle = Middle(tables, tmp_path, Mode("off"))
    middle.outbound(records_of(map(line, TOLD)))
    middle.events(Lane.OTHER, records_of(map(line, REPORTED)))
    middle.flush()
    for more in (0, 1):
        dying: Any = Dying(tables, inserts + more)
        died = False
        try:
            Sweeper(dying, fixed_clock(NOW_MS), LaneStats("status", "other", "0/1"), Stop()).finish()
        except Dies:
            died = True
        assert more or died == (inserts < 5)
    middle.finish()
    assert [row[1:4] for row in events(tables)] == [
        (key, 1, status) for key in (7, FIRST_PLACE, FIRST_PLACE + 2) for status in ("read", "sent")
    ]
    assert (messages(tables), count(tables, "unkeyed"), count(tables, "waiting")) == (3, 0, 0)
    funnel = tables.ask("funnel", campaign_id="spring").row(0, named=True)
    assert (funnel["sent"], funnel["read"], funnel["delivered_inferred"]) == (3, 3, 3)
    assert tables.ask("splits", campaign_id="spring", dimension="template").rows() == [
        ("unknown", 2, 0, 2, 0, 0), ("t", 1, 0, 1, 0, 0),
    ]  # fmt: skip
    assert faults(tables) == {}


def test_a_database_that_is_down_is_waited_for(tables: Warehouse, tmp_path: Path) -> None:
    middle = play(tables, tmp_path, foreign())
    middle.outbound(records_of([line(outbound("accepted"))]))
    middle.flush()
    middle.close()
    stop = Stop()

    class Down(Dying):
        failures = 2

        def insert(self, table: str, frame: pl.DataFrame) -> None:
            if Down.failures:
                Down.failures -= 1
                raise WarehouseDown("down")
            super().insert(table, frame)
            if table == "waiting":
                stop.ask()

    down: Any = Down(tables, 99)
    Sweeper(down, fixed_clock(NOW_MS), LaneStats("status", "other", "0/1"), stop).run()
    assert (len(events(tables)), count(tables, "waiting"), Down.failures) == (1, 0, 0)


@pytest.mark.parametrize("landed_before", [True, False])
def test_a_record_of_a_sender_that_numbers_nothing_keeps_its_key_over_a_rotation(
    tables: Warehouse, tmp_path: Path, landed_before: bool
) -> None:
    """Its first record was hashed by an older key, and has its key already, or waits beside the second."""
    before = Middle(tables, tmp_path / "a", keys=[OLD])
    before.outbound([placed(3, guest())])
    before.flush()
    if landed_before:
        before.sweeper.finish()
    after = Middle(tables, tmp_path / "b", keys=[NEW, OLD])
    after.outbound([placed(9, guest()), placed(10, guest(1))])
    after.events(Lane.DELIVERED, records_of([line(foreign(provider_message_id="pm-0"))]))
    after.finish()
    before.close()
    assert [row[1] for row in events(tables)] == [FIRST_PLACE + 3]
    assert messages(tables) == 2
    assert count(tables, "unkeyed") == 0
