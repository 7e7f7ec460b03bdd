"""Runs sql/checks while flows write: what a check finds only between an insert and its views is not wrong."""

import time
from datetime import UTC, datetime
from itertools import cycle
from pathlib import Path

import polars as pl

import sql
from api.context import Context

CHECKS = Path(sql.__file__).parent / "checks"
MOST_ROWS = 5_000_000
"""Of status_events: beyond it a check takes memory and cores from the flows; run it at night, by hand."""
_TRIES = 5
_PAUSE_S = 0.3
# Which side of a FULL JOIN names a cell that only one side has would otherwise change from one look to the next.
_SAME_SIDES = "\nSETTINGS query_plan_join_swap_table = 'false'"
_FIGURES = ("expected", "found", "messages_expected", "messages_found", "messages_wrong")
_TIME = pl.Datetime("ms", "UTC")


def run_checks(context: Context) -> int:
    """Each check once; returns how many rows stayed wrong in all. Does nothing where there are too many rows."""
    if context.rows("events_held")[0]["rows"] > MOST_ROWS:
        return 0
    return sum(_run(context, check) for check in sorted(CHECKS.glob("*.sql")))


class NextCheck:
    """One check a call, in turn: a round stays short, so that an end need not wait for all."""

    def __init__(self) -> None:
        self._checks = cycle(sorted(CHECKS.glob("*.sql")))

    def __call__(self, context: Context) -> int:
        if context.rows("events_held")[0]["rows"] > MOST_ROWS:
            return 0
        return _run(context, next(self._checks))


def _run(context: Context, check: Path) -> int:
    started = time.monotonic()
    wrong, first = stubborn(context, check.read_text())
    row = {
        "at": datetime.fromtimestamp(context.clock() / 1000, UTC),
        "name": check.stem,
        "wrong": wrong,
        "seconds": time.monotonic() - started,
        "first_wrong": first,
    }
    context.warehouse.insert("check_runs", pl.DataFrame([row]).with_columns(pl.col("at").cast(_TIME)))
    return wrong


def stubborn(context: Context, statement: str) -> tuple[int, str]:
    """How many cells are wrong each time one looks, and the first of them."""
    held: pl.DataFrame | None = None
    for _ in range(_TRIES):
        found = context.warehouse.query(statement + _SAME_SIDES)
        cells = found.select(pl.exclude(*_FIGURES)).unique()
        held = cells if held is None else held.join(cells, on=cells.columns, how="semi", nulls_equal=True)
        if held.is_empty():
            return 0, ""
        time.sleep(_PAUSE_S)
    assert held is not None
    return len(held), str(held.row(0, named=True))[:500]
