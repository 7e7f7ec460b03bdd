"""Tables beside the live ones, for one campaign: filled apart, then put in the place of its rows.

status_events ─▶ every table that a view fills from it, however far down: found in the database, not listed here
"""

import re
import time
from contextlib import suppress
from typing import NamedTuple

from flows.writer import STATUS_EVENTS
from schemas.errors import WarehouseError
from sql.warehouse import Warehouse

PREFIX = "rebuild_"
WAITING = "waiting"
_COUNTED_LATER = ("closed_minutes", "closed_sets", "split_counts", "counted_answers")
_LOOK_EVERY_S = 0.1
_ABORTED = "(ABORTED)"


class _View(NamedTuple):
    target: str
    definition: str
    columns: list[str]


class Shadow:
    """`table(name)` is the shadow of a live table. All methods raise WarehouseError."""

    def __init__(self, warehouse: Warehouse) -> None:
        self._warehouse = warehouse
        self._views = _views_behind(warehouse, STATUS_EVENTS)
        self.tables = [STATUS_EVENTS, *dict.fromkeys(view.target for view in self._views)]

    def table(self, name: str) -> str:
        return PREFIX + name

    def make(self) -> None:
        self.drop()
        for name in (*self.tables, WAITING):
            self._warehouse.command(f"CREATE TABLE {self.table(name)} AS {name}")

    def drop(self) -> None:
        for name in (*self.tables, WAITING):
            self._warehouse.command(f"DROP TABLE IF EXISTS {self.table(name)} SYNC")

    def derive(self) -> None:
        """Fill what views would have filled."""
        for view in self._views:
            columns = ", ".join(f"`{name}`" for name in view.columns)
            select = _read_from(self.tables, view.definition)
            self._warehouse.command(f"INSERT INTO {self.table(view.target)} ({columns}) {select}")

    def swap(self, campaign_id: str) -> None:
        """The shadow's rows for those of the campaign: for a moment both stand, never neither.

        A mutation leaves alone what comes after it was asked for: so the new parts are attached while it runs.
        """
        for name in self.tables:
            self._warehouse.command(
                f"ALTER TABLE {name} DELETE WHERE campaign_id = {{campaign_id:String}} SETTINGS mutations_sync = 0",
                {"campaign_id": campaign_id},
            )
            for partition in self._partitions(name):
                self._warehouse.command(f"ALTER TABLE {name} ATTACH PARTITION ID '{partition}' FROM {self.table(name)}")
        for name in [*self.tables, *self._forget_counts(campaign_id)]:
            self._await_mutations(name)

    def _forget_counts(self, campaign_id: str) -> list[str]:
        """What was counted in the background from the old rows: until it is counted anew, readers count all."""
        for name in _COUNTED_LATER:
            self._warehouse.command(
                f"ALTER TABLE {name} DELETE WHERE campaign_id = {{campaign_id:String}} SETTINGS mutations_sync = 0",
                {"campaign_id": campaign_id},
            )
        return list(_COUNTED_LATER)

    def _partitions(self, name: str) -> list[str]:
        found = self._warehouse.query(
            "SELECT DISTINCT partition_id FROM system.parts"
            " WHERE database = currentDatabase() AND table = {name:String} AND active",
            {"name": self.table(name)},
        )
        return [str(partition) for (partition,) in found.rows()]

    def _await_mutations(self, name: str) -> None:
        while True:
            found = self._warehouse.query(
                "SELECT latest_fail_reason FROM system.mutations"
                " WHERE database = currentDatabase() AND table = {name:String} AND NOT is_done",
                {"name": name},
            )
            if not len(found):
                return
            # To attach parts stops mutations for a moment: those are tried again.
            if (reason := max(found["latest_fail_reason"].to_list())) and _ABORTED not in reason:
                raise WarehouseError(f"{name}: the old rows can't be removed: {reason}")
            self._wake(name)
            time.sleep(_LOOK_EVERY_S)

    def _wake(self, name: str) -> None:
        """Who looks for mutations to do while parts are attached finds none, and sleeps 10 s and more: a rebuild of 75
        messages took 80 s. Whoever may not say this waits.
        """
        with suppress(WarehouseError):
            self._warehouse.command(f"SYSTEM START MERGES {name}")


def _views_behind(warehouse: Warehouse, source: str) -> list[_View]:
    """In the order in which they can be filled."""
    rows = warehouse.ask("derived_tables").iter_rows(named=True)
    views = [_View(row["target"], row["definition"], list(row["columns"])) for row in rows]
    direct = [view for view in views if _reads(source, view.definition)]
    return direct + [deeper for view in direct for deeper in _views_behind(warehouse, view.target)]


def _reads(table: str, select: str) -> bool:
    return _table(table).search(select) is not None


def _read_from(tables: list[str], select: str) -> str:
    for name in tables:
        select = _table(name).sub(PREFIX + name, select)
    return select


def _table(name: str) -> re.Pattern[str]:
    """As a view's definition names a table; a column may be called the same, and stands behind no FROM or JOIN."""
    return re.compile(rf"(?<=FROM )(?:\w+\.)?{name}\b|(?<=JOIN )(?:\w+\.)?{name}\b")
