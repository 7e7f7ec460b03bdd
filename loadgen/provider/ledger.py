"""Every request that the simulator took in: the oracle of the sender's tests, and the measure of its pace."""

import time
from collections import Counter
from collections.abc import Iterable

import msgspec
from msgspec import Struct


class Entry(Struct, gc=False):
    """`at`: UTC milliseconds; `arrived`: seconds of a monotonic clock. `status` 0: hung up without an answer."""

    at: int
    arrived: float
    provider: str
    sender: str
    to: str
    campaign_id: str
    message_key: int
    attempt: int
    key: str
    status: int
    code: str
    message_id: str


class Told(Struct, gc=False):
    """A status that was told and answered 2xx, at `answered`; `at`: as the body has it, 0 where it has none. UTC ms."""

    provider: str
    campaign_id: str
    message_key: int
    attempt: int
    sent_at: int
    status: str
    code: str
    at: int
    answered: int = 0


class Pace(Struct, kw_only=True):
    """Requests that were taken, by arrival. Ratios are against the limit, whole seconds after the first two."""

    requests: int
    seconds: float
    per_s: float
    worst_second_ratio: float
    best_second_ratio: float
    worst_100ms_ratio: float


class Ledger:
    def __init__(self) -> None:
        self.entries: list[Entry] = []
        self.by_key: dict[str, Entry] = {}
        """Taken, by idempotency key."""

    def add(self, entry: Entry) -> None:
        self.entries.append(entry)
        if 200 <= entry.status < 300:
            self.by_key.setdefault(entry.key, entry)

    def lines(self) -> bytes:
        return in_lines(self.entries)

    def counts(self) -> dict[str, int]:
        return dict(Counter(str(entry.status) for entry in self.entries))

    def pace(self, limit_per_s: float) -> Pace:
        return pace([entry.arrived for entry in self.entries if 200 <= entry.status < 300], limit_per_s)


def in_lines(rows: Iterable[Struct]) -> bytes:
    return b"".join(msgspec.json.encode(row) + b"\n" for row in rows)


def clock() -> tuple[int, float]:
    return time.time_ns() // 1_000_000, time.monotonic()


_RAMP_S = 2
_MOVES_S = 0.01
"""A window that slides in steps of this."""


def pace(arrivals: Iterable[float], limit_per_s: float) -> Pace:
    """The first two seconds are ramp-up, the last unfinished second doesn't count."""
    times = sorted(arrivals)
    if len(times) < 2:
        return Pace(
            requests=len(times), seconds=0, per_s=0, worst_second_ratio=0, best_second_ratio=0, worst_100ms_ratio=0
        )
    first, span = times[0], times[-1] - times[0]
    steps = Counter(int((at - first) / _MOVES_S) for at in times)
    last = int(span / _MOVES_S)
    sums = [0]
    for step in range(last + 1):
        sums.append(sums[-1] + steps[step])
    seconds = [_within(sums, start, 100) for start in range(_RAMP_S * 100, last - 100, 100)]
    tenths = [_within(sums, start, 10) for start in range(max(last - 10, 1))]
    return Pace(
        requests=len(times),
        seconds=round(span, 3),
        per_s=round((len(times) - 1) / span, 1) if span else 0.0,
        worst_second_ratio=round(min(seconds, default=0) / limit_per_s, 4),
        best_second_ratio=round(max(seconds, default=0) / limit_per_s, 4),
        worst_100ms_ratio=round(max(tenths, default=0) / (limit_per_s / 10), 4),
    )


def _within(sums: list[int], start: int, steps: int) -> int:
    return sums[min(start + steps, len(sums) - 1)] - sums[start]


def most_ahead_s(arrivals: Iterable[float], limit_per_s: float) -> float:
    """Over the span, whichever it is, in which most came too soon: how much longer they should have taken."""
    ahead = most = 0.0
    before: float | None = None
    for at in arrivals:
        ahead = max(ahead - (at - before if before is not None else 0.0), 0.0) + 1 / limit_per_s
        most, before = max(most, ahead), at
    return most
