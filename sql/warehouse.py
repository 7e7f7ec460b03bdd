"""Our one way to ClickHouse: a server over HTTP, or chDB, in this process or in the one that holds it."""

import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar

import polars as pl
import pyarrow as pa

from schemas.errors import TidemarkError, WarehouseDown
from sql.dsn import parse_dsn
from sql.errors import error_code, translate
from sql.links import Link, Settings, connect

QUERIES = Path(__file__).parent / "queries"

INSERT_SETTINGS: Mapping[str, int] = {
    "async_insert": 0,  # answered means written; chDB's default is 1
    "optimize_on_insert": 0,  # twice as fast: repeats in a block are left to merges and readers [1.2 -> 2.3 M rows/s]
    "insert_deduplicate": 0,  # else a block tried again, because a view had failed, would skip that view
    "materialized_views_ignore_errors": 0,  # a row that a view refused is not written
    "max_partitions_per_insert_block": 0,  # else events of a hundred months in one batch would be refused for ever
    "input_format_null_as_default": 1,  # a null for a column that knows none is its default
    "input_format_defaults_for_omitted_fields": 1,  # a column that the frame lacks is its default
}
"""Stated on every insert, whatever the profile of the server says."""

SESSION_SETTINGS: Mapping[str, str | int] = {
    "session_timezone": "UTC",  # the same answer wherever the engine runs
    "output_format_arrow_string_as_string": 1,
    "output_format_arrow_compression_method": "none",  # the transport's business
}

_NONE: Settings = {}
Answer = TypeVar("Answer")


class Warehouse:
    """A connection of its own; connects at its first use, and again after it was lost. Safe to use from threads.

    `share`: this process lives long, so it serves an embedded engine to others while it holds it. `create`: make the
    database if it is missing (migrations do). `settings`: ClickHouse's, for all that is asked. All methods raise
    WarehouseDown where trying again may help (`sql.retry.retrying` does), WarehouseError otherwise, UsageError for a
    wrong DSN; each message is one line.
    """

    def __init__(self, dsn: str, *, share: bool = False, create: bool = False, settings: Settings = _NONE) -> None:
        self._text = dsn
        self._dsn = parse_dsn(dsn)
        self._share = share
        self._create = create
        self._session = {**SESSION_SETTINGS, **settings}
        self._link: Link | None = None
        self._guard = threading.Lock()

    def aside(self, settings: Settings) -> "Warehouse":
        """Another connection to the same database, with `settings` of its own."""
        return Warehouse(self._text, share=self._share, settings=settings)

    def insert(self, table: str, frame: pl.DataFrame, **settings: str | int) -> None:
        """Append `frame` to `table` by column name; written when it returns.

        At-least-once: after WarehouseDown the rows may have been written all the same. Times must be Datetime
        columns: ClickHouse reads an integer as seconds. Enum or Categorical columns are cheaper than strings.
        """
        if frame.height == 0:
            return
        merged = {**INSERT_SETTINGS, **settings}
        self._do(lambda link: link.insert(table, frame, merged))

    def ask(self, name: str, **parameters: Any) -> pl.DataFrame:
        """The answer of `sql/queries/NAME.sql`; `parameters` fill its `{name:Type}` places."""
        return self.query((QUERIES / f"{name}.sql").read_text(), parameters)

    def query(self, sql: str, parameters: Mapping[str, Any] | None = None) -> pl.DataFrame:
        """The rows of one SELECT. ClickHouse puts in the parameters, so their text is never read as SQL."""
        statement = sql.strip().rstrip(";")
        rows = self._do(lambda link: link.select(statement, dict(parameters or {})))
        with pa.ipc.open_stream(rows) as reader:
            frame = pl.from_arrow(reader.read_all())
        assert isinstance(frame, pl.DataFrame)  # a table's, not a column's
        return frame

    def command(self, sql: str, parameters: Mapping[str, Any] | None = None) -> None:
        """Run a statement that returns no rows; `parameters` fill its `{name:Type}` places."""
        self._do(lambda link: link.command(sql, dict(parameters or {})))

    def close(self) -> None:
        """Never raises. The Warehouse connects anew if it is used again."""
        with self._guard:
            link, self._link = self._link, None
        if link:
            link.close()

    def __enter__(self) -> "Warehouse":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __str__(self) -> str:
        """The database, without secrets."""
        return str(self._dsn)

    def _do(self, action: Callable[[Link], Answer]) -> Answer:
        try:
            link = self._connected()
            return action(link)
        except Exception as error:  # noqa: BLE001 - clickhouse-connect's, urllib3's, chDB's: all are translated
            raise self._translated(error) from None

    def _connected(self) -> Link:
        with self._guard:
            if self._link is None:
                self._link = connect(self._dsn, self._session, share=self._share, create=self._create)
            return self._link

    def _translated(self, error: Exception) -> Exception:
        if isinstance(error, TidemarkError):
            return error
        link = self._link
        if link and link.is_lost(error_code(error)):
            self.close()
            return WarehouseDown(str(translate(error, self)))
        return translate(error, self)
