"""The schema for a cluster: the same tables and columns, replicated, each message on one shard."""

import re

import pytest

from schemas.errors import UsageError
from sql.migrate import migrate
from sql.sharding import CLUSTER, clustered, schema
from sql.tokens import split_statements
from sql.warehouse import Warehouse

STATEMENTS = [statement for text in schema().values() for statement in split_statements(text)]


def test_what_is_checked_in_is_what_is_made() -> None:
    assert {path.name: path.read_text() for path in CLUSTER.glob("*.sql")} == schema(), "python -m sql.sharding"


def test_every_statement_is_clickhouses_and_runs_everywhere(warehouse: Warehouse) -> None:
    for statement in STATEMENTS:
        warehouse.query("SELECT formatQuery({statement:String}) AS parsed", {"statement": statement})
        assert "ON CLUSTER '{cluster}'" in statement


def test_every_table_is_replicated_and_stands_behind_its_own_name(warehouse: Warehouse) -> None:
    migrate(warehouse)
    tables = warehouse.query(
        "SELECT name, engine FROM system.tables WHERE database = currentDatabase() AND engine LIKE '%MergeTree'"
        " AND name != 'schema_migrations'"
    )
    made = {
        found[1]: statement for statement in STATEMENTS if (found := re.search(r"TABLE IF NOT EXISTS (\w+)", statement))
    }
    for name, engine in tables.rows():
        assert f"\nENGINE = Replicated{engine}('/clickhouse/tables/" in made[f"{name}_local"], name
        assert f" AS {name}_local\nENGINE = Distributed(" in made[name], name


def test_views_stand_between_local_tables() -> None:
    views = [statement for statement in STATEMENTS if statement.startswith("CREATE MATERIALIZED VIEW")]
    assert views
    for view in views:
        assert re.search(r"TO \w+_local AS", view)
        assert all(source.endswith("_local") for source in re.findall(r"FROM (\w+)", view))


@pytest.mark.parametrize(
    ("table", "key"),
    [
        ("status_events", "cityHash64(campaign_id, message_key)"),
        ("waiting", "cityHash64(provider, provider_message_id)"),
        ("campaigns", "cityHash64(campaign_id)"),
    ],
)
def test_rows_that_merge_share_a_shard(table: str, key: str) -> None:
    assert f"'{table}_local', {key})" in "\n".join(STATEMENTS)


def test_a_statement_of_another_form_is_refused() -> None:
    with pytest.raises(UsageError, match="DROP TABLE"):
        list(clustered("DROP TABLE messages"))
