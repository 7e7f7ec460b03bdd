"""What a record must fulfil before it may touch a table: each check names the reason of the dead letter it causes."""

import re
from collections.abc import Callable, Collection, Sequence
from typing import NamedTuple, TypeAlias

import numpy as np
import polars as pl
from numpy.typing import NDArray

from schemas.times import EARLIEST_MS, FUTURE_TOLERANCE_MS

SHORT, LONG = 128, 512
"""Characters, as in `schemas.events.Token` and `Reference`."""
ATTEMPTS_AT_MOST = 255
_CAMPAIGN_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")


class Check(NamedTuple):
    """A row is bad with `reason` where `holds` is not true; null counts as not true."""

    reason: str
    detail: str
    holds: pl.Expr


class TextCheck(NamedTuple):
    """A row is bad with `reason` where `column` holds a text that doesn't fit; of texts that recur."""

    reason: str
    detail: str
    column: str
    fits: Callable[[str], bool]

    def unfit(self, frame: pl.DataFrame) -> list[str]:
        column = frame[self.column]
        if column.null_count() == len(column):  # most have no reason, no error, no outcome
            return []
        return [text for text in column.unique().drop_nulls() if not self.fits(text)]


AnyCheck: TypeAlias = Check | TextCheck


class Failed(NamedTuple):
    """The rows that failed a check which is the first they failed."""

    rows: NDArray[np.int64]
    reason: str
    detail: str


def failures(frame: pl.DataFrame, checks: Sequence[AnyCheck]) -> list[Failed]:
    """Every bad row once, under its first failed check; none where all is well, which costs some 30 ns a row."""
    failed = _failed(frame, checks)
    if not failed:
        return []
    held = np.stack([_held(frame, check) for check in failed])
    bad, first_failed = ~held.all(axis=0), np.argmin(held, axis=0)
    return [
        Failed(rows, check.reason, check.detail)
        for place, check in enumerate(failed)
        if len(rows := np.flatnonzero(bad & (first_failed == place)))
    ]


def _failed(frame: pl.DataFrame, checks: Sequence[AnyCheck]) -> list[AnyCheck]:
    """Those that do not hold for all rows: nearly always none, or the one or two that a bad line meets."""
    by_row = [check.holds.fill_null(False).all() for check in checks if isinstance(check, Check)]
    # Not in Polars' threads: to wake them takes longer where others use the processors.
    holds = iter(frame.select_seq(all_hold.alias(str(place)) for place, all_hold in enumerate(by_row)).row(0))
    return [check for check in checks if (check.unfit(frame) if isinstance(check, TextCheck) else not next(holds))]


def _held(frame: pl.DataFrame, check: AnyCheck) -> NDArray[np.bool_]:
    if isinstance(check, Check):
        return frame.select(check.holds.fill_null(False)).to_series().to_numpy()
    return ~frame[check.column].cast(pl.String).is_in(check.unfit(frame)).fill_null(False).to_numpy()


def required(*names: str) -> list[AnyCheck]:
    return [Check("wrong_shape", f"{name} is missing", pl.col(name).is_not_null()) for name in names]


def short(*names: str) -> list[AnyCheck]:
    """Of texts that recur."""
    detail = f"more than {SHORT} characters"
    return [TextCheck("too_large", f"{name}: {detail}", name, lambda text: len(text) <= SHORT) for name in names]


def long(*names: str) -> list[AnyCheck]:
    return [
        Check(
            "too_large",
            f"{name}: more than {LONG} characters",
            pl.col(name).is_null() | (pl.col(name).str.len_chars() <= LONG),
        )
        for name in names
    ]


def one_of(name: str, values: Collection[str]) -> AnyCheck:
    return TextCheck("wrong_shape", f"{name} is none of {', '.join(values)}", name, values.__contains__)


def campaign_id() -> AnyCheck:
    """Absent, or as `schemas.events.CampaignId` says."""
    detail = "campaign_id: 1 to 64 letters, digits, dots, dashes and underscores"
    return TextCheck("wrong_shape", detail, "campaign_id", lambda name: _CAMPAIGN_ID.fullmatch(name) is not None)


def numbers_in_range() -> list[AnyCheck]:
    key, attempt = pl.col("message_key"), pl.col("attempt")
    return [
        Check("out_of_range", "message_key: 0 or above", key.is_null() | (key >= 0)),
        Check(
            "out_of_range",
            f"attempt: 1 to {ATTEMPTS_AT_MOST}",
            attempt.is_null() | attempt.is_between(1, ATTEMPTS_AT_MOST),
        ),
    ]


def times_in_range(known_at: str, now_ms: int, *names: str) -> list[AnyCheck]:
    """`known_at` names the time when the record reached us; a time a day later, or before 2015, is not believed."""
    latest_known = now_ms + FUTURE_TOLERANCE_MS
    checks: list[AnyCheck] = [_time(known_at, pl.lit(latest_known), "a day after now")]
    latest = pl.col(known_at) + FUTURE_TOLERANCE_MS
    return checks + [_time(name, latest, "a day after it was received") for name in names]


def _time(name: str, latest: pl.Expr, limit: str) -> Check:
    believed = pl.col(name).is_null() | ((pl.col(name) >= EARLIEST_MS) & (pl.col(name) <= latest))
    return Check("time_out_of_range", f"{name}: before 2015 or more than {limit}", believed)
