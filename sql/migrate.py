"""`python -m sql.migrate`: bring the schema up to date, by the files sql/migrations/NNN_name.sql in order.

ClickHouse has no transactions for DDL: a run that dies, or two at once, may do a file again from its first statement.
So each statement must bear repetition (IF NOT EXISTS, OR REPLACE), and needs no lock.
"""

import hashlib
import re
import sys
import time
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path

import msgspec
import polars as pl
from msgspec import Struct

from schemas.errors import UsageError, WarehouseError
from schemas.settings import Settings
from sql.cli import Parser, progress, run
from sql.tokens import split_statements
from sql.warehouse import Warehouse

MIGRATIONS = Path(__file__).parent / "migrations"
_FILE_NAME = re.compile(r"(\d{3})_([a-z0-9_]+)\.sql")

_RECORDS = """
CREATE TABLE IF NOT EXISTS schema_migrations
(
    version UInt32 COMMENT 'Number of the file in sql/migrations',
    name String COMMENT 'Its name',
    checksum String COMMENT 'SHA-256 of its bytes when it was applied: it may not change afterwards',
    applied_at DateTime64(3, 'UTC') COMMENT 'When its last statement was done'
)
ENGINE = ReplacingMergeTree ORDER BY version
COMMENT 'Which migrations this database has seen'
"""
_APPLIED = "SELECT version, name, checksum, applied_at FROM schema_migrations FINAL ORDER BY version"


class Migration(Struct, frozen=True):
    version: int
    name: str
    checksum: str
    statements: list[str]


class Result(Struct):
    """What `--json` prints."""

    database: str
    applied: list[str]
    unchanged: list[str]
    seconds: float


def read_migrations(folder: Path) -> list[Migration]:
    """In order of version. Raises UsageError for a file name or text that is none, and for a number used twice."""
    migrations = [_read(path) for path in sorted(folder.glob("*.sql"))]
    for before, after in pairwise(migrations):
        if before.version == after.version:
            raise UsageError(f"{folder}: {before.name} and {after.name} have the same number")
    return migrations


def _read(path: Path) -> Migration:
    named = _FILE_NAME.fullmatch(path.name)
    if not named:
        raise UsageError(f"{path}: a migration is called NNN_name.sql, as in 001_events.sql")
    try:
        content = path.read_bytes()
        statements = split_statements(content.decode())
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"{path}: {error}") from None
    return Migration(int(named[1]), path.name, hashlib.sha256(content).hexdigest(), statements)


def migrate(warehouse: Warehouse, folder: Path = MIGRATIONS) -> Result:
    """Apply what the database has not seen. `warehouse` was made with `create=True`.

    Idempotent. Raises UsageError, before anything is done, if a file that was applied has changed since.
    """
    started = time.monotonic()
    migrations = read_migrations(folder)
    warehouse.command(_RECORDS)
    seen = {row["version"]: row for row in warehouse.query(_APPLIED).iter_rows(named=True)}
    unchanged = [migration for migration in migrations if migration.version in seen]
    for migration in unchanged:
        _refuse_change(migration, seen[migration.version])
    missing = [migration for migration in migrations if migration.version not in seen]
    for migration in missing:
        _apply(warehouse, migration)
    names = [migration.name for migration in missing], [migration.name for migration in unchanged]
    return Result(str(warehouse), *names, seconds=round(time.monotonic() - started, 3))


def _refuse_change(migration: Migration, record: dict[str, str | datetime]) -> None:
    if (migration.name, migration.checksum) != (record["name"], record["checksum"]):
        then = f"{record['name']} was applied at {record['applied_at']:%Y-%m-%d %H:%M} UTC"
        raise UsageError(f"{migration.name} is not what {then}: leave that file as it was, and add a new one")


def _apply(warehouse: Warehouse, migration: Migration) -> None:
    for number, statement in enumerate(migration.statements, start=1):
        progress(f"{migration.name} {number}/{len(migration.statements)}")
        try:
            warehouse.command(statement)
        except WarehouseError as error:
            raise type(error)(f"{migration.name}, statement {number}: {error}") from None
    record = {"version": migration.version, "name": migration.name, "checksum": migration.checksum}
    applied_at = pl.lit(datetime.now(UTC)).dt.cast_time_unit("ms").alias("applied_at")
    warehouse.insert("schema_migrations", pl.DataFrame(record).with_columns(applied_at))


def main(argv: list[str] | None = None) -> None:
    parser = Parser(prog="python -m sql.migrate", description=__doc__.partition("\n\n")[0])
    parser.add_argument("--json", action="store_true", help="print what was done as one JSON object")
    arguments = parser.parse_args(argv)
    with Warehouse(Settings.from_env().clickhouse, create=True) as warehouse:
        result = migrate(warehouse)
    if arguments.json:
        print(msgspec.json.encode(result).decode())
    else:
        progress(f"{result.database}: {len(result.applied)} applied, {len(result.unchanged)} were there already")


if __name__ == "__main__":
    sys.exit(run("sql.migrate", main))
