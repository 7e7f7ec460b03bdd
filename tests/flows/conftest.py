"""An embedded ClickHouse with our tables, opened once a module and emptied for each test."""

from collections.abc import Iterator

import pytest

from sql.migrate import migrate
from sql.warehouse import Warehouse

_TABLES = """
    SELECT name FROM system.tables
    WHERE database = currentDatabase() AND engine LIKE '%MergeTree' AND name != 'schema_migrations'
"""


@pytest.fixture(scope="module")
def _opened(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Warehouse]:
    folder = tmp_path_factory.mktemp("clickhouse")
    with Warehouse(f"chdb://{folder / 'clickhouse'}", create=True) as opened:
        migrate(opened)
        yield opened


@pytest.fixture
def tables(_opened: Warehouse) -> Warehouse:
    """All our tables, empty."""
    empty(_opened)
    return _opened


def empty(warehouse: Warehouse) -> None:
    for (name,) in warehouse.query(_TABLES).rows():
        warehouse.command(f"TRUNCATE TABLE {name}")
