"""What merges leave behind."""

from pathlib import Path

from sql.migrate import migrate
from sql.warehouse import Warehouse
from tests.flows.making import event, outbound
from tests.flows.playing import play

_NOT_TIDIED = """
SELECT DISTINCT name FROM system.tables
INNER JOIN system.parts ON parts.database = tables.database AND parts.table = name
WHERE database = currentDatabase() AND name != 'schema_migrations'
    AND engine_full NOT LIKE '%cleanup_delay_period = 1,%'
"""


def test_what_flows_insert_into_is_tidied_each_second(warehouse: Warehouse, tmp_path: Path) -> None:
    """ClickHouse's own period is half a minute: thousands of merged parts stand there then, and inserts wait."""
    migrate(warehouse)
    reports = [event(status=status) for status in ("accepted", "sent", "delivered", "read", "failed")]
    play(warehouse, tmp_path, outbound("accepted"), *reports)
    assert warehouse.query(_NOT_TIDIED).rows() == []
