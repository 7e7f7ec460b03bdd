"""`python -m sql.sharding`: the schema for a ClickHouse cluster, made from sql/migrations into sql/cluster.

    status_events        Distributed over all shards, by message: what everybody reads and writes
    status_events_local  ReplicatedReplacingMergeTree on each shard; views stand between local tables

A message's rows share a shard, so that what one server's merges make exact, each shard's do. `{cluster}`, `{shard}` and
`{replica}` are macros of the servers' configuration.
"""

import re
import sys
from collections.abc import Iterator
from pathlib import Path

from schemas.errors import UsageError
from sql.cli import Parser, run
from sql.migrate import MIGRATIONS, read_migrations

CLUSTER = Path(__file__).parent / "cluster"
_ON = "ON CLUSTER '{cluster}'"
_TABLE = re.compile(r"CREATE TABLE IF NOT EXISTS (\w+)\s*\((.*)\)\s*ENGINE = (\w+)(?:\(([^)]*)\))?(.*)", re.DOTALL)
_VIEW = re.compile(r"CREATE MATERIALIZED VIEW IF NOT EXISTS (\w+) TO (\w+) AS(.*)", re.DOTALL)
_PLAIN_VIEW = re.compile(r"CREATE OR REPLACE VIEW (\w+)(.*)", re.DOTALL)
_DROP = re.compile(r"DROP (VIEW|TABLE) IF EXISTS (\w+)")
_ALTER = re.compile(r"ALTER TABLE (\w+)(.*)", re.DOTALL)
_OF_DATA = re.compile(r" ADD INDEX | MODIFY SETTING ")
"""What a Distributed table, which holds no rows, has no use for."""
_COMMENT = re.compile(r"\A(?:\s*--[^\n]*\n)+")
_SOURCE = re.compile(r"\bFROM (\w+)\b")
_KEYS = (
    ("message_key", "cityHash64(campaign_id, message_key)"),
    ("provider_message_id", "cityHash64(provider, provider_message_id)"),
    ("campaign_id", "cityHash64(campaign_id)"),
    ("recipient", "cityHash64(recipient)"),
    ("place", "place"),
)
"""The first column that a table has decides; one with none of them stands on one shard."""


def clustered(statement: str) -> Iterator[str]:
    """The statements that one of the migrations becomes. Raises UsageError for a form that is not known here."""
    if found := _TABLE.fullmatch(statement):
        yield from _table(*found.groups(default=""))
    elif found := _VIEW.fullmatch(statement):
        name, target, select = found.groups()
        local = _SOURCE.sub(lambda source: f"FROM {source[1]}_local", select)
        yield f"CREATE MATERIALIZED VIEW IF NOT EXISTS {name} {_ON} TO {target}_local AS{local}"
    elif found := _PLAIN_VIEW.fullmatch(statement):
        yield f"CREATE OR REPLACE VIEW {found[1]} {_ON}{found[2]}"
    elif found := _ALTER.fullmatch(statement):
        if not found[1].startswith("v_"):
            yield f"ALTER TABLE {found[1]}_local {_ON}{found[2]}"
        if not _OF_DATA.search(found[2]):
            yield f"ALTER TABLE {found[1]} {_ON}{found[2]}"
    elif found := _DROP.fullmatch(statement):
        kind, name = found.groups()
        yield f"DROP {kind} IF EXISTS {name} {_ON}"
        if kind == "TABLE":
            yield f"DROP TABLE IF EXISTS {name}_local {_ON}"
    elif not statement.startswith(
        "INSERT INTO "
    ):  # which fills a new table from what stands: a new cluster has nothing
        raise UsageError(f"no way to put this on a cluster: {statement[:80]!r}")


def _table(name: str, columns: str, engine: str, arguments: str, rest: str) -> Iterator[str]:
    place = "'/clickhouse/tables/{shard}/{database}/{table}', '{replica}'"
    inner = f"{place}, {arguments}" if arguments else place
    yield f"CREATE TABLE IF NOT EXISTS {name}_local {_ON}\n({columns})\nENGINE = Replicated{engine}({inner}){rest}"
    names = set(re.findall(r"^\s+(\w+) ", columns, re.MULTILINE))
    key = next((expression for column, expression in _KEYS if column in names), "0")
    over = f"Distributed('{{cluster}}', currentDatabase(), '{name}_local', {key})"
    yield f"CREATE TABLE IF NOT EXISTS {name} {_ON} AS {name}_local\nENGINE = {over}"


def schema() -> dict[str, str]:
    """Text by file name, one file for each migration."""
    files = {}
    for migration in read_migrations(MIGRATIONS):
        plain = [_COMMENT.sub("", statement).strip() for statement in migration.statements]
        statements = [made.strip() for statement in plain for made in clustered(statement)]
        head = f"-- Made from sql/migrations/{migration.name} by `python -m sql.sharding`.\n\n"
        files[migration.name] = head + "".join(f"{statement};\n\n" for statement in statements).rstrip("\n") + "\n"
    return files


def main(argv: list[str] | None = None) -> None:
    Parser(prog="python -m sql.sharding", description=__doc__.partition("\n\n")[0]).parse_args(argv)
    CLUSTER.mkdir(exist_ok=True)
    for name, text in schema().items():
        (CLUSTER / name).write_text(text)


if __name__ == "__main__":
    sys.exit(run("sql.sharding", main))
