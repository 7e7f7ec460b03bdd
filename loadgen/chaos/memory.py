"""Whether memory stays flat: the greatest that each process held, by third of the run."""

import time
from typing import Protocol

from loadgen.chaos.faults import FLOWS

_EVERY_S = 2.0
_TELLING_S = 300.0
_GROWTH, _SLACK_MB = 1.25, 64.0
_THIRDS = 3


class Holds(Protocol):
    """What can be asked how much it holds."""

    def rss_mb(self) -> dict[str, float]: ...


class Memory:
    """Of a run of `seconds`; what is sampled later counts with its last third."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._started = time.monotonic()
        self._next_s = self._started
        self._peaks: dict[str, list[float]] = {}

    def sample(self, parts: Holds) -> None:
        """At most every two seconds."""
        now_s = time.monotonic()
        if now_s < self._next_s:
            return
        self._next_s = now_s + _EVERY_S
        third = min(int(_THIRDS * (now_s - self._started) / self._seconds), _THIRDS - 1)
        for name, held_mb in parts.rss_mb().items():
            peaks = self._peaks.setdefault(name, [0.0] * _THIRDS)
            peaks[third] = max(peaks[third], round(held_mb, 1))

    def thirds(self) -> dict[str, list[float]]:
        return self._peaks

    def flat(self) -> bool | None:
        """None where the run is too short to tell."""
        if self._seconds < _TELLING_S:
            return None
        return all(last <= middle * _GROWTH + _SLACK_MB for _, middle, last in map(self._peaks.__getitem__, FLOWS))
