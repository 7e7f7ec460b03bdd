"""Lines of the lane topics into status events: decode, check, tell those with our ids from those without.

records -> lines -> frame -> checks -> own      campaign and key known: to the window
                               |    -> foreign  the provider echoed nothing: they wait
                               +--> bad lines
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import polars as pl

from flows import checks
from flows.lines import BadLine, Lines, Read
from flows.status_batch import STATUS_TYPE
from flows.status_lines import read_status_lines
from flows.topics import Record
from schemas.statuses import STATUS_NUMBERS

_TEXTS = ("campaign_id", "error_code", "provider", "raw_status")


class Decoded(NamedTuple):
    """`own` is as `status_batch.cut` takes it; `foreign` has the columns of a status event."""

    own: pl.DataFrame
    foreign: pl.DataFrame
    bad: list[BadLine]
    events: int


def decode(records: Sequence[Record], now_ms: int) -> Decoded:
    """Status events of some records; every line is in exactly one of own, foreign and bad."""
    lines = Lines(records)
    read = read_status_lines(lines)
    frame, refused = refuse(lines, read, _checks(now_ms))
    is_own = frame["campaign_id"].is_not_null() & frame["message_key"].is_not_null()
    own = frame if is_own.all() else frame.filter(is_own)
    foreign = frame.filter(~is_own) if len(own) < len(frame) else frame.clear()
    bad = read.bad + refused
    return Decoded(typed(own), foreign, bad, len(frame) + len(bad))


def refuse(lines: Lines, read: Read, all_checks: list[checks.AnyCheck]) -> tuple[pl.DataFrame, list[BadLine]]:
    """The rows that pass, and the lines of those that don't."""
    failed = checks.failures(read.frame, all_checks)
    if not failed:
        return read.frame, []
    bad = [
        BadLine(lines.line(number), failure.reason, failure.detail)
        for failure in failed
        for number in read.line_numbers(failure.rows).tolist()
    ]
    passed = np.ones(len(read.frame), np.bool_)
    passed[np.concatenate([failure.rows for failure in failed])] = False
    return read.frame.filter(pl.Series(passed)), bad


def _checks(now_ms: int) -> list[checks.AnyCheck]:
    ours = pl.col("campaign_id").is_not_null() & pl.col("message_key").is_not_null()
    identified = ours | (pl.col("provider_message_id").str.len_bytes() > 0)
    return [
        *checks.required("status", "event_time", "received_at", "provider"),
        checks.one_of("status", STATUS_NUMBERS),
        checks.Check("no_identity", "neither campaign_id and message_key nor provider_message_id", identified),
        checks.campaign_id(),
        *checks.short("provider", "raw_status", "error_code"),
        *checks.long("provider_message_id", "recipient"),
        *checks.numbers_in_range(),
        *checks.times_in_range("received_at", now_ms, "event_time", "sent_at"),
    ]


def typed(frame: pl.DataFrame) -> pl.DataFrame:
    """Text that recurs as Categorical, so that windows compare numbers and inserts send dictionaries."""
    return frame.select(
        "message_key",
        pl.col("attempt").fill_null(1),
        pl.col("status").cast(STATUS_TYPE),
        *(pl.col(name).cast(pl.Categorical).fill_null("") for name in _TEXTS),
        "event_time",
        "received_at",
        "sent_at",
        "receipt",
    )
