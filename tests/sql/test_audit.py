"""The audit log is a chain: what was changed, or taken out, is told."""

import msgspec
import pytest

from sql import audit
from sql.audit import AuditError, Entry
from sql.migrate import migrate
from sql.warehouse import Warehouse


def log(warehouse: Warehouse, entries: int = 4) -> list[Entry]:
    migrate(warehouse)
    for number in range(entries):
        audit.record(warehouse, "send", f"campaign-{number}", {"messages": number}, "test")
    return audit.entries(warehouse)


def test_a_chain_holds(warehouse: Warehouse) -> None:
    written = log(warehouse)
    assert [entry.subject for entry in written] == [f"campaign-{number}" for number in range(4)]
    assert [entry.previous for entry in written[1:]] == [entry.hash for entry in written[:-1]]
    assert audit.verify(written, written[1].hash) == [written[-1].hash]


def test_what_was_done_to_it_is_told(warehouse: Warehouse) -> None:
    written = log(warehouse)
    changed = msgspec.structs.replace(written[1], details='{"messages":9}')
    with pytest.raises(AuditError, match="was changed"):
        audit.verify([written[0], changed, *written[2:]])
    with pytest.raises(AuditError, match="taken out"):
        audit.verify([written[0], *written[2:]])
    with pytest.raises(AuditError, match="cut off"):
        audit.verify(written[:-1], head=written[-1].hash)
    rewritten = msgspec.structs.replace(changed, hash=changed.digest())
    with pytest.raises(AuditError, match="taken out"):
        audit.verify([written[0], rewritten, *written[2:]])


def test_two_that_write_at_once_fork_the_chain_and_break_nothing() -> None:
    def entry(subject: str, previous: str) -> Entry:
        made = Entry(at=1, actor="a", action="send", subject=subject, details="{}", previous=previous)
        return msgspec.structs.replace(made, hash=made.digest())

    root = entry("root", "")
    left, right = entry("left", root.hash), entry("right", root.hash)
    assert set(audit.verify([root, left, right])) == {left.hash, right.hash}


def test_an_empty_log_is_whole() -> None:
    assert audit.verify([]) == []
