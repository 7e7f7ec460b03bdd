"""What each lane did: counted as it happens, taken away once a second as rows of `flow_stats`."""

import threading
from collections import Counter
from typing import Any

_SUMS = (
    "events", "rows", "waiting", "matched", "erased", "dropped", "bypassed",
    "batches", "batch_rows", "insert_ms", "retries",
)  # fmt: skip
_LEVELS = ("lag_ms", "window_ids", "window_bytes")


class LaneStats:
    """Counts of one lane. Sums start anew when taken; levels stay. Thread-safe."""

    def __init__(self, flow: str, lane: str, slice_: str) -> None:
        self._name = {"flow": flow, "lane": lane, "slice": slice_}
        self._lock = threading.Lock()
        self._levels = dict.fromkeys(_LEVELS, 0)
        self._lags: dict[str, int] = {}
        self._begin()

    def _begin(self) -> None:
        self._sums: Counter[str] = Counter(dict.fromkeys(_SUMS, 0))
        self._repeats: Counter[str] = Counter()
        self._dead_letters: Counter[str] = Counter()
        self._batch_age_ms = 0

    def add(self, **sums: float) -> None:
        with self._lock:
            self._sums.update(sums)

    def add_repeats(self, provider: str, cause: str, count: int) -> None:
        with self._lock:
            self._repeats[f"{provider}/{cause}"] += count

    def add_dead_letters(self, reason: str, count: int = 1) -> None:
        with self._lock:
            self._dead_letters[reason] += count

    def set(self, **levels: int) -> None:
        with self._lock:
            self._levels.update(levels)

    def set_lag(self, topic: str, lag: int) -> None:
        with self._lock:
            self._lags[topic] = lag

    def batch_aged(self, age_ms: int) -> None:
        with self._lock:
            self._batch_age_ms = max(self._batch_age_ms, age_ms)

    def take(self, at_ms: int) -> dict[str, Any]:
        """One row of `flow_stats` for what happened since the row before."""
        with self._lock:
            lag = sum(self._lags.values())
            row = {"at": at_ms, **self._name, **self._sums, **self._levels}
            row |= {"lag": lag, "batch_age_ms": self._batch_age_ms}
            if not lag and not self._sums["events"]:
                row["lag_ms"] = 0  # what was read last is long done
            row |= {"repeats": dict(self._repeats), "dead_letters": dict(self._dead_letters)}
            self._begin()
            return row
