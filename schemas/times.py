"""Milliseconds since the epoch, and which of them are believed."""

import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

Clock = Callable[[], int]
"""Returns the time that windows and range checks go by, in UTC milliseconds."""

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
SECOND_MS = 1_000
MINUTE_MS = 60 * SECOND_MS
HOUR_MS = 60 * MINUTE_MS
DAY_MS = 24 * HOUR_MS

# ClickHouse refuses an insert that touches more than a hundred partitions (months): one absurd date would
# take its whole batch along, so it is refused alone, before.
EARLIEST_MS = int(datetime(2015, 1, 1, tzinfo=UTC).timestamp() * 1000)
FUTURE_TOLERANCE_MS = DAY_MS
LATEST_MS = int(datetime(2100, 1, 1, tzinfo=UTC).timestamp() * 1000)
"""Beyond it no clock is set."""


def wall_clock() -> int:
    return time.time_ns() // 1_000_000


def utc_text(at_ms: int) -> str:
    """As operators read it: `2026-11-21T10:31:19Z`."""
    return f"{datetime.fromtimestamp(at_ms / 1000, UTC):%Y-%m-%dT%H:%M:%SZ}"


def ms_of(at: datetime) -> int:
    """Exact: `timestamp` is a float, and times a thousand it falls short of some milliseconds."""
    return (at - _EPOCH) // timedelta(milliseconds=1)


def fixed_clock(at_ms: int) -> Clock:
    return lambda: at_ms
