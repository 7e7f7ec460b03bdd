"""Limits as they stand: rates that change while messages flow, cut when a provider says so, and climb back."""

import math
from collections.abc import Iterable

from flows.sending.gcra import Pair, available, due, pair, take

UNLIMITED = 1 << 30
_CUT = 0.7
_CUTS_APART_S = 1.0
_CLIMB_PER_S = 0.05
_LEAST = 0.05
_STANDSTILL = 0.001
CAUTION_S = 1.1
"""Longer than Redis takes a process for alive that it does not hear of (`lease.lua`: HEARD_MS), and a lease."""


class Limit:
    """One rate, of which this process has its `share`, or what it leased. `now` is a monotonic clock's, in seconds."""

    def __init__(self, per_s: float | None, now: float, of: int = 1) -> None:
        self.per_s = per_s
        self.of = of
        """How many processes share it."""
        self._leased: float | None = None
        self._leased_until = 0.0
        self._unheard = False
        self.factor = 1.0
        self.blocked_until = 0.0
        self._cut_at = -math.inf
        self._climbed_at = now
        self._buckets: Pair | None = None
        self._shut = False
        self._begun = False
        self._lasting = self._smooth = now
        self._seen = 0.0
        self._seen_at = now
        self._apply(now, empty=True)

    def effective(self) -> float | None:
        """Of this process."""
        if self.per_s is None:
            return None
        share = self.per_s / self.of if self._leased is None else self._leased
        return share * self.factor

    def lease(self, per_s: float, until: float, now: float) -> None:
        """What Redis granted: it holds until then, and the static share after it."""
        changed = per_s != self._leased
        self._leased, self._leased_until, self._unheard = per_s, until, False
        if changed:
            self._apply(now, empty=False)

    def _lapse(self, now: float) -> None:
        """Redis gave others what this process did not want, and counts on its last lease until it takes it for gone."""
        if self._leased is None or self.per_s is None or now < self._leased_until:
            return
        if self._unheard:
            self._leased = None
        else:
            self._leased, self._unheard = min(self._leased, self.per_s / self.of), True
            self._leased_until += CAUTION_S
        self._apply(now, empty=True)

    def set_rate(self, per_s: float | None, now: float) -> None:
        """From now on."""
        self.per_s = per_s
        self._apply(now, empty=False)

    def _apply(self, now: float, *, empty: bool) -> None:
        rate = self.effective()
        self._shut = rate is not None and rate < _STANDSTILL
        self._buckets = None if rate is None or self._shut else pair(rate)
        if self._buckets is None:
            return
        # A new limit starts without credit: what it was not asked for yet is not owed.
        latest = now + self._buckets.lasting.tolerance_s
        self._lasting = latest if empty else min(max(self._lasting, now), latest)
        self._smooth = min(self._smooth, now + self._buckets.smooth.interval_s)

    def available(self, now: float) -> int:
        self._lapse(now)
        if self._shut or now < self.blocked_until:
            return 0
        if self._buckets is None:
            return UNLIMITED
        return min(
            available(self._lasting, now, self._buckets.lasting), available(self._smooth, now, self._buckets.smooth)
        )

    def take(self, count: int, now: float) -> None:
        self._seen += count
        if self._buckets is None:
            return
        if not self._begun:  # what it was not asked for since it was made is not owed either
            self._begun, self._lasting = True, now + self._buckets.lasting.tolerance_s
        self._lasting = take(self._lasting, now, self._buckets.lasting, count)
        self._smooth = take(self._smooth, now, self._buckets.smooth, count)

    def due(self, now: float) -> float:
        """When the next may come, as far as this limit goes."""
        if self._buckets is None:
            return max(now, self.blocked_until)
        return max(
            due(self._lasting, self._buckets.lasting), due(self._smooth, self._buckets.smooth), self.blocked_until
        )

    def throttled(self, now: float, retry_after_s: float = 0.0) -> None:
        """The provider says it is too much: cut, once a second at most, and wait as long as it asked for."""
        if retry_after_s:
            self.blocked_until = max(self.blocked_until, now + retry_after_s)
        if now - self._cut_at < _CUTS_APART_S:
            return
        self._cut_at = self._climbed_at = now
        if self.per_s is None:
            # What it took so far in a second is the best guess at what it takes.
            self.per_s = max(self._seen / max(now - self._seen_at, 0.1), 1.0)
        self.factor = max(self.factor * _CUT, _LEAST)
        self._apply(now, empty=False)

    def climb(self, now: float) -> None:
        """Towards the full rate: five percent of it a second."""
        if self.factor < 1 and now - self._climbed_at >= 1:
            self.factor = min(1.0, self.factor + _CLIMB_PER_S)
            self._climbed_at = now
            self._apply(now, empty=False)
        if now - self._seen_at >= 1:
            self._seen, self._seen_at = 0.0, now


def free(limits: Iterable[Limit], now: float) -> int:
    """How many all of them let through."""
    return min((limit.available(now) for limit in limits), default=UNLIMITED)
