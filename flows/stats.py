"""What each lane did: counted as it happens, taken away once a second for `flow_stats`, summed up for /metrics."""

import threading
import time
from collections import Counter
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

_SUMS = (
    "events", "rows", "waiting", "matched", "erased", "dropped", "bypassed",
    "batches", "batch_rows", "insert_ms", "retries",
)  # fmt: skip
_LEVELS = ("lag_ms", "window_ids", "window_bytes")
QUERYABLE_BOUNDS_MS = (50, 100, 200, 300, 500, 750, 1_000, 1_500, 2_000, 3_000, 5_000, 10_000, 30_000, 60_000, 300_000)
_SAMPLE_ROWS = 4_096


class Totals(NamedTuple):
    """All since the process began. `queryable` counts rows by `QUERYABLE_BOUNDS_MS`, the last those beyond."""

    flow: str
    lane: str
    values: dict[str, float]
    repeats: dict[str, int]
    dead_letters: dict[str, int]
    queryable: list[int]
    queryable_ms: float


class LaneStats:
    """Counts of one lane. Sums start anew when taken; levels stay. Thread-safe."""

    def __init__(self, flow: str, lane: str, slice_: str) -> None:
        self._name = {"flow": flow, "lane": lane, "slice": slice_}
        self._lock = threading.Lock()
        self._levels = dict.fromkeys(_LEVELS, 0)
        self._lags: dict[str, int] = {}
        self._before: dict[str, Counter[str]] = {"sums": Counter(), "repeats": Counter(), "dead_letters": Counter()}
        self._only_totals: Counter[str] = Counter()
        self._queryable = np.zeros(len(QUERYABLE_BOUNDS_MS) + 1, np.int64)
        self._queryable_ms = 0.0
        self._last_batch_age_ms = 0
        self.name = f"{flow} {lane}"
        self.waits_for = ""
        """What the lane can't go on without, and is trying again; empty where it goes on."""
        self.heard_s = 0.0
        """When a source last told its lag, by the monotonic clock; 0: not yet."""
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
            self.heard_s = time.monotonic()

    def batch_aged(self, age_ms: int) -> None:
        with self._lock:
            self._batch_age_ms = max(self._batch_age_ms, age_ms)

    def snapshotted(self, waited_ms: float) -> None:
        """An epoch ended, and waited so long for the lane's rows to land."""
        with self._lock:
            self._only_totals.update({"snapshots": 1, "snapshot_ms": waited_ms})

    def landed(self, received_at: NDArray[np.int64], now_ms: int) -> None:
        """Rows became queryable; of many a sample counts for all."""
        step = max(1, len(received_at) // _SAMPLE_ROWS)
        ages = np.maximum(now_ms - received_at[::step], 0)
        cells = np.bincount(np.searchsorted(QUERYABLE_BOUNDS_MS, ages), minlength=len(QUERYABLE_BOUNDS_MS) + 1)
        with self._lock:
            self._queryable += step * cells
            self._queryable_ms += step * float(ages.sum())

    def lag_ms(self) -> int:
        return self._levels["lag_ms"] if any(self._lags.values()) else 0

    def take(self, at_ms: int) -> dict[str, Any]:
        """One row of `flow_stats` for what happened since the row before."""
        with self._lock:
            lag = sum(self._lags.values())
            row = {"at": at_ms, **self._name, **self._sums, **self._levels}
            row |= {"lag": lag, "batch_age_ms": self._batch_age_ms}
            if not lag and not self._sums["events"]:
                row["lag_ms"] = 0  # what was read last is long done
            row |= {"repeats": dict(self._repeats), "dead_letters": dict(self._dead_letters)}
            for name, counts in self._since().items():
                self._before[name].update(counts)
            self._last_batch_age_ms = self._batch_age_ms
            self._begin()
            return row

    def _since(self) -> dict[str, Counter[str]]:
        return {"sums": self._sums, "repeats": self._repeats, "dead_letters": self._dead_letters}

    def totals(self) -> Totals:
        """Since the process began, whatever was taken."""
        with self._lock:
            sums, repeats, letters = (self._before[name] + counts for name, counts in self._since().items())
            levels = {**self._levels, "lag": sum(self._lags.values()), "batch_age_ms": self._last_batch_age_ms}
            if not levels["lag"]:
                levels["lag_ms"] = 0
            values: dict[str, float] = {**sums, **self._only_totals, **levels}
            histogram = self._queryable.tolist()
            flow, lane = self._name["flow"], self._name["lane"]
            return Totals(flow, lane, values, repeats, letters, histogram, self._queryable_ms)
