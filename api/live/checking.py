"""Runs sql/checks while flows write: what a check finds only between an insert and its views is not wrong."""

import time
from datetime import UTC, datetime
from pathlib import Path

import polars as pl

import sql
from api.context import Context

CHECKS = Path(sql.__file__).parent / "checks"
MOST_ROWS = 5_000_000
"""Of status_events: beyond it a check takes memory and cores from the flows; run it at night, by hand."""
LOOKS = 30
"""At a cell before it is called wrong. An insert under way makes any cell it changes look wrong, on a slow machine at
most looks: five of them, 0.3 s apart, gave a false alarm."""
_AGAIN_S = 600.0
# Which side of a FULL JOIN names a cell that only one side has would otherwise change from one look to the next.
_SAME_SIDES = "\nSETTINGS query_plan_join_swap_table = 'false'"
_FIGURES = ("expected", "found", "messages_expected", "messages_found", "messages_wrong")
_TIME = pl.Datetime("ms", "UTC")


class Checking:
    """One look a call, so that an end need not wait for more; the caller's pause is the pause between two looks.

    What was found exact is checked again when something came, else each ten minutes: of a finished campaign of 200,000
    messages the checks took a tenth of a core for ever.
    """

    def __init__(self) -> None:
        self._left: list[_Check] = []
        self._held: dict[str, int] = {}
        self._began = 0.0
        self._wrong = 0

    def __call__(self, context: Context) -> int:
        """How many cells the check that this look ended found wrong. Does nothing where there are too many rows."""
        held = context.rows("rows_held")[0]
        if held["events"] > MOST_ROWS or not (self._left or self._is_due(held)):
            return 0
        if not self._left:
            self._left = [_Check(file) for file in sorted(CHECKS.glob("*.sql"))]
            self._held, self._began, self._wrong = held, time.monotonic(), 0
        check = self._left[0]
        if not check.looked(context):
            return 0
        del self._left[0]
        _tell(context, check)
        self._wrong += len(check.wrong)
        return len(check.wrong)

    def _is_due(self, held: dict[str, int]) -> bool:
        return held != self._held or self._wrong > 0 or time.monotonic() - self._began >= _AGAIN_S


class _Check:
    """A file of sql/checks, and the cells that were wrong each time one looked."""

    def __init__(self, file: Path) -> None:
        self.name = file.stem
        self._statement = file.read_text() + _SAME_SIDES
        self._looks = 0
        self.wrong = pl.DataFrame()
        self.seconds = 0.0

    def looked(self, context: Context) -> bool:
        """True when it is known what is wrong: nothing, or what `LOOKS` looks have in common."""
        started = time.monotonic()
        found = context.warehouse.query(self._statement)
        cells = found.select(pl.exclude(*_FIGURES)).unique()
        if self._looks:
            cells = self.wrong.join(cells, on=cells.columns, how="semi", nulls_equal=True)
        self.wrong = cells
        self._looks += 1
        self.seconds += time.monotonic() - started
        return cells.is_empty() or self._looks == LOOKS


def _tell(context: Context, check: _Check) -> None:
    row = {
        "at": datetime.fromtimestamp(context.clock() / 1000, UTC),
        "name": check.name,
        "wrong": len(check.wrong),
        "seconds": check.seconds,
        "first_wrong": "" if check.wrong.is_empty() else str(check.wrong.row(0, named=True))[:500],
    }
    context.warehouse.insert("check_runs", pl.DataFrame([row]).with_columns(pl.col("at").cast(_TIME)))
