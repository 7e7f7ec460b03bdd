"""What is inserted into chDB through a file is there whole, or not at all and with the reason."""

from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

import pytest

from sql import embedded
from sql.embedded import Engine
from sql.spooled_insert import Write, spooled_insert


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[Engine]:
    engine = embedded.attach(tmp_path / "clickhouse", share=False)
    assert isinstance(engine, Engine)
    with engine.handle() as handle:
        handle.query("CREATE TABLE t (n Int64) ENGINE = MergeTree ORDER BY n")
    yield engine
    embedded.release(engine)


def insert(engine: Engine, write: Write) -> None:
    with engine.handle() as handle:
        spooled_insert(handle, engine.folder, "INSERT INTO t SETTINGS async_insert = 0", "CSV", write)


def count(engine: Engine) -> int:
    with engine.handle() as handle:
        return int(handle.query("SELECT count() FROM t", "TabSeparated").bytes())


def lines(file: BinaryIO) -> None:
    for number in range(300_000):
        file.write(b"%d\n" % number)


def test_all_that_is_written_arrives_and_no_file_is_left(engine: Engine) -> None:
    insert(engine, lines)
    assert count(engine) == 300_000
    assert sorted(path.name for path in engine.folder.parent.iterdir()) == ["clickhouse", "clickhouse.lock"]


def test_a_writer_that_fails_leaves_nothing_and_its_own_error(engine: Engine) -> None:
    """Else what came before the failure would look like a whole insert."""

    def fail(file: BinaryIO) -> None:
        lines(file)
        raise LookupError("the body broke off")

    with pytest.raises(LookupError, match="broke off"):
        insert(engine, fail)
    assert count(engine) == 0


def test_a_failing_view_fails_the_insert(engine: Engine) -> None:
    """chDB's own streaming inserter reports success here."""
    with engine.handle() as handle:
        handle.query("CREATE MATERIALIZED VIEW v ENGINE = Memory AS SELECT n + throwIf(n = 13) AS n FROM t")
    with pytest.raises(Exception, match="FUNCTION_THROW_IF"):
        insert(engine, lines)


def test_a_failed_answer_never_leaks_into_the_next(engine: Engine) -> None:
    """With chDB 4.4 it would on the same handle: so no handle is used after an error."""
    for _ in range(3):
        with engine.handle() as handle, pytest.raises(Exception, match="FUNCTION_THROW"):
            handle.query("SELECT throwIf(number = 3000000) FROM numbers(9000000)", "TabSeparated")
        assert count(engine) == 0
