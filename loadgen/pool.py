"""Rows that wait until their time has come."""

import polars as pl


class Pool:
    """Keeps rows by a column of times; each leaves once, in order of time, of rows of one time in order of `then`."""

    def __init__(self, time: str, *then: str) -> None:
        self._order = [time, *then]
        self._waiting: list[pl.DataFrame] = []

    def add(self, rows: pl.DataFrame) -> None:
        if len(rows):
            self._waiting.append(rows)

    def due(self, before_ms: int) -> pl.DataFrame:
        """Take the rows whose time lies before `before_ms`; a frame without columns where no row was ever added."""
        if not self._waiting:
            return pl.DataFrame()
        rows = pl.concat(self._waiting)
        is_due = pl.col(self._order[0]) < before_ms
        self._waiting = [rows.filter(~is_due)]
        return rows.filter(is_due).sort(self._order, maintain_order=True)
