"""A person is forgotten: figures stay, nothing of them does, and nothing brings them back."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from flows.erasing import Erasure, erase, spellings
from flows.erasures import load_erased
from flows.identity import HashKey
from schemas.statuses import Lane
from schemas.times import DAY_MS
from sql import audit
from sql.warehouse import Warehouse
from tests.flows.making import NOW_MS, event, foreign, line, outbound, records_of
from tests.flows.playing import KEYS, Middle, faults
from tests.flows.test_sweeper import count, events, guest

PERSON, OTHER = "+49151", "+49152"
NEW = HashKey(2, b"n" * 16)


def forget(warehouse: Warehouse, recipient: str = PERSON, keys: Sequence[HashKey] = KEYS) -> Erasure:
    return erase(warehouse, recipient, keys, "test", settle=lambda: None)


def played(warehouse: Warehouse, folder: Path, *lines: dict[str, Any], keys: Sequence[HashKey] = KEYS) -> Middle:
    """As the flows take it, the erasure list included."""
    middle = Middle(warehouse, folder, keys=keys, erased=lambda: load_erased(warehouse))
    for fields in lines:
        if "type" in fields:
            middle.outbound(records_of([line(fields)]))
        else:
            middle.events(Lane.OTHER, records_of([line(fields)]))
    middle.finish()
    return middle


def figures(warehouse: Warehouse) -> list[Any]:
    return [events(warehouse), warehouse.ask("funnel", campaign_id="spring").rows(), faults(warehouse)]


def traces(warehouse: Warehouse) -> int:
    """Places where a hash of anybody still stands, the erasure lists aside."""
    sql = """
    SELECT (SELECT countIf(recipient != '') + countIf(provider_message_id != '') FROM outbound)
         + (SELECT count() FROM outbound_ids)
         + (SELECT count() FROM waiting FINAL) + (SELECT count() FROM unkeyed FINAL)
    """
    return int(warehouse.query(sql).item())


CAMPAIGN = (
    outbound("intent", recipient=PERSON),
    outbound("accepted"),
    event(),
    foreign(status="read"),
    guest(3, recipient=PERSON),
    foreign(provider_message_id="pm-3", status="failed", error_code="131026"),
)


def test_figures_stay_and_hashes_go(tables: Warehouse, tmp_path: Path) -> None:
    """Also of the record that named only the provider's id, and of the sender that numbers nothing."""
    played(tables, tmp_path, *CAMPAIGN)
    before = figures(tables)
    assert traces(tables) > 0
    done = forget(tables)
    assert (done.messages, done.ids) == (2, 2)
    assert traces(tables) == 0
    assert figures(tables) == before
    assert forget(tables).messages == 0, "nothing is left to find"


def test_a_replay_of_all_brings_nobody_back(tables: Warehouse, tmp_path: Path) -> None:
    played(tables, tmp_path / "a", *CAMPAIGN)
    before = figures(tables)
    forget(tables)
    again = played(tables, tmp_path / "b", *CAMPAIGN)
    assert traces(tables) == 0
    assert figures(tables) == before
    assert again.stats.take(0)["erased"] == 5


def test_a_replay_after_the_keys_were_rotated_brings_nobody_back(tables: Warehouse, tmp_path: Path) -> None:
    played(tables, tmp_path / "a", *CAMPAIGN)
    before = figures(tables)
    forget(tables)
    played(tables, tmp_path / "b", *CAMPAIGN, keys=[NEW, *KEYS])
    assert traces(tables) == 0
    assert figures(tables) == before


def test_the_person_is_found_under_an_older_key(tables: Warehouse, tmp_path: Path) -> None:
    played(tables, tmp_path, *CAMPAIGN)
    assert forget(tables, keys=[NEW, *KEYS]).messages == 2
    assert traces(tables) == 0


def test_a_status_that_comes_later_is_counted_as_erased_and_nothing_else(tables: Warehouse, tmp_path: Path) -> None:
    played(tables, tmp_path / "a", outbound("accepted", recipient=PERSON))
    before = figures(tables)
    forget(tables)
    late = played(tables, tmp_path / "b", foreign(), foreign(status="read", recipient=PERSON))
    assert figures(tables) == before
    assert (count(tables, "waiting"), late.stats.take(0)["erased"]) == (0, 2)


def test_others_under_the_same_id_are_untouched(tables: Warehouse, tmp_path: Path) -> None:
    """One id, two people: what names the other is theirs, what names nobody is neither's."""
    shared = [
        outbound("accepted", message_key=7, recipient=PERSON),
        outbound("accepted", message_key=8, recipient=OTHER),
    ]
    played(tables, tmp_path / "a", *shared)
    forget(tables)
    played(tables, tmp_path / "b", foreign(recipient=OTHER), foreign(recipient=PERSON), foreign(status="read"))
    assert [row[1:4:2] for row in events(tables)] == [(8, "delivered")]
    assert count(tables, "outbound_ids") == 1


def test_a_message_of_later_is_a_new_matter(tables: Warehouse, tmp_path: Path) -> None:
    """Whoever was erased may become a customer again: only what was known by then is forgotten."""
    played(tables, tmp_path / "a", *CAMPAIGN)
    forget(tables)
    late = NOW_MS + 2 * DAY_MS
    fields = outbound("accepted", message_key=9, recipient=PERSON, at=late, sent_at=late, provider_message_id="pm-9")
    middle = Middle(tables, tmp_path / "b", now_ms=late, erased=lambda: load_erased(tables))
    middle.outbound(records_of([line(fields)]))
    middle.finish()
    assert traces(tables) == 3


@pytest.mark.parametrize(
    ("told", "written"),
    [("+49 151-1", "491511"), ("491511", "+491511"), ("+491511", "whatsapp:+491511"), ("A@B.de", "a@b.de")],
)
def test_spellings_of_one_address(told: str, written: str) -> None:
    assert written in spellings(told)


def test_it_stands_in_the_audit_log_without_the_person(tables: Warehouse, tmp_path: Path) -> None:
    played(tables, tmp_path, *CAMPAIGN)
    done = forget(tables)
    (entry,) = audit.entries(tables)
    assert (entry.action, entry.actor, entry.subject) == ("erase", "test", done.person)
    assert entry.details == '{"ids":2,"messages":2}'
    assert audit.verify([entry]) == [entry.hash]
