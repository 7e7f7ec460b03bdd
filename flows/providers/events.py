"""Many bodies of one provider to one frame of status events: whatever is the same for all providers, once a frame.

requests ─▶ parse, body by body ─▶ columns, status ─▶ bounds ─▶ ids, receipt ─▶ frame
                  │                        │             │
                  └────────────────▶ refused bodies ◀────┘
"""

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
import polars as pl

from flows.providers.bodies import MAX_REPORTS, Reason
from flows.providers.bounds import beyond_contract
from flows.providers.echo import ids_of
from flows.providers.provider import ECHO, Provider, Request, column
from schemas.columns import STATUS_COLUMNS
from schemas.errors import BadRecord
from schemas.statuses import Status

_BODY = "_body"
"""Which body a row came from, counted from 0."""


class Refused(NamedTuple):
    """A body that gave no events, and why."""

    bad: BadRecord
    received_at: int
    receipt_id: str


class Events(NamedTuple):
    """Each body gave either its rows in `frame` (exactly `STATUS_COLUMNS`; perhaps none) or its entry in `refused`."""

    frame: pl.DataFrame
    refused: dict[int, Refused]


class BodyReader:
    """Bodies of one provider, read one after another, to become one frame in the end.

    Nothing that a body holds makes it raise. A request can be let go as soon as it was read: that its memory is used
    again while it is warm in the cache makes reading bodies of one status a tenth faster.
    """

    def __init__(self, provider: Provider) -> None:
        self._provider = provider
        self._reports: list[Any] = []
        self._counts: list[int] = []
        self._received_at: list[int] = []
        self._receipt_ids: list[str] = []
        self._bad: dict[int, BadRecord] = {}

    def read(self, requests: Sequence[Request]) -> None:
        self._received_at += [request.received_at for request in requests]
        self._receipt_ids += [request.receipt_id for request in requests]
        parse = self._provider.parse
        for request in requests:
            try:
                found = parse(request)
                if len(found) > MAX_REPORTS:
                    raise BadRecord(Reason.TOO_LARGE, f"a body may report {MAX_REPORTS} statuses")
            except BadRecord as bad:
                found, self._bad[len(self._counts)] = [], bad
            except Exception as bug:  # noqa: BLE001 - a bug in one parser costs the bodies that show it, not the flow
                found, self._bad[len(self._counts)] = [], _bug_shown(bug)
            self._counts.append(len(found))
            self._reports += found

    def events(self) -> Events:
        """What the bodies report, in their order; places in `refused` count them from 0."""
        frame = NO_EVENTS
        if self._reports:
            reported = pl.concat([_NO_ROWS, *self._reported(0, len(self._counts))], how="diagonal")
            frame = self._completed(self._within_bounds(reported)).select(STATUS_COLUMNS.names())
        refused = {
            body: Refused(bad, self._received_at[body], self._receipt_ids[body]) for body, bad in self._bad.items()
        }
        return Events(frame, refused)

    def _reported(self, first: int, end: int) -> Iterator[pl.DataFrame]:
        """The columns of bodies `first` to `end`; halved until the body is found that `columns` fails for."""
        skipped, count = sum(self._counts[:first]), sum(self._counts[first:end])
        bodies = np.repeat(np.arange(first, end), self._counts[first:end])
        try:
            columns = _named_columns(self._provider, self._reports[skipped : skipped + count])
            yield columns.with_columns(pl.Series(_BODY, bodies))
        except Exception as bug:  # noqa: BLE001 - as in read
            if end - first == 1:
                self._bad[first] = _bug_shown(bug)
                return
            half = (first + end) // 2
            yield from self._reported(first, half)
            yield from self._reported(half, end)

    def _within_bounds(self, reported: pl.DataFrame) -> pl.DataFrame:
        """`reported` without the bodies that hold a value beyond the contract: one value refuses its whole body."""
        wrong = reported.select(
            _BOUNDS[name] for name in STATUS_COLUMNS if reported[name].null_count() < reported.height
        )
        names = [name for name in wrong.columns if wrong[name].any()]
        for name in names:
            bad = BadRecord(Reason.OUT_OF_RANGE, f"{name} is beyond what a status event may hold")
            self._bad |= dict.fromkeys(reported.filter(wrong[name])[_BODY], bad)
        return reported.filter(~pl.col(_BODY).is_in(list(self._bad))) if names else reported

    def _completed(self, reported: pl.DataFrame) -> pl.DataFrame:
        """With our ids, with what the receiver knows of each body, and in place of what the provider did not say."""
        bodies = reported[_BODY]
        received_at = column("received_at", self._received_at).gather(bodies)
        return reported.with_columns(
            *(ids_of(reported[ECHO]) if ECHO in reported.columns else ()),
            received_at,
            column("receipt_id", self._receipt_ids).gather(bodies),
            pl.col("event_time").fill_null(received_at),
            pl.col("provider").fill_null(self._provider.name),
        ).with_columns(pl.col("attempt").fill_null(1))


def _named_columns(provider: Provider, reports: list[Any]) -> pl.DataFrame:
    """What the provider said itself: some of `STATUS_COLUMNS`, `status` among them, and `ECHO`."""
    columns = dict(provider.columns(reports))
    said = columns.get("status", columns["raw_status"])
    known, unknown = {raw: status.value for raw, status in provider.statuses.items()}, Status.UNKNOWN.value
    columns["status"] = [known.get(status, unknown) for status in said]
    return pl.DataFrame([column(name, values) for name, values in columns.items()])


def _bug_shown(bug: Exception) -> BadRecord:
    return BadRecord(Reason.PARSER_FAILED, f"{type(bug).__name__}: {bug}")


_BOUNDS = {name: beyond_contract(name) for name in STATUS_COLUMNS}
NO_EVENTS = STATUS_COLUMNS.to_frame()
_NO_ROWS = NO_EVENTS.with_columns(pl.lit(None, pl.Int64).alias(_BODY))
