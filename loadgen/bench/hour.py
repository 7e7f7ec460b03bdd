"""An hour of one status through the dedup window alone, in a process: `python -m loadgen.bench.hour TASK`.

The window stands in a dataflow with recovery as in `flows.status`; before it a source that makes batches out of
nothing, behind it a sink that counts. Tells a JSON object a line: `filled`, or `resumed` after a kill, then, as the
clock is put past the window's length, `expired`.
"""

import json
import os
import sys
import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import bytewax.operators as op
import numpy as np
import polars as pl
from bytewax.dataflow import Dataflow
from bytewax.inputs import FixedPartitionedSource, StatefulSourcePartition
from bytewax.outputs import DynamicSink, StatelessSinkPartition
from msgspec import Struct

from flows.running import recovery_folder, run
from flows.stats import LaneStats
from flows.status_batch import STATUS_TYPE, Part, cut
from flows.stopping import Stop
from flows.window import BUCKET_MS, SHARDS, DedupWindow, Judged, Window
from loadgen.proc import rss_mb
from schemas.settings import Settings
from schemas.times import HOUR_MS

BATCH_IDS = 36_000
BATCH_REPEATS = 4_000
"""One in ten, of messages that came at any time before."""


class HourTask(Struct):
    """`ids` first sightings in the hour that begins at `start_ms`; snapshots in `folder`."""

    ids: int
    start_ms: int
    folder: str
    epoch_ms: int
    window_mb: int


class Tally:
    """What the source and the sink have seen."""

    def __init__(self) -> None:
        self.passed = 0
        self.stalls_s: list[float] = []
        self.batches = 0


class _HourSource(FixedPartitionedSource[pl.DataFrame, int]):
    def __init__(self, task: HourTask, tally: Tally, told: threading.Event) -> None:
        self._part = _HourPart, task, tally, told

    def list_parts(self) -> list[str]:
        return ["hour"]

    def build_part(self, _step_id: str, _for_part: str, resume_state: int | None) -> "_HourPart":
        make, task, tally, told = self._part
        return make(task, tally, told, resume_state or 0)


class _HourPart(StatefulSourcePartition[pl.DataFrame, int]):
    """Its state: how many ids have gone out."""

    def __init__(self, task: HourTask, tally: Tally, told: threading.Event, first: int) -> None:
        self._task = task
        self._tally = tally
        self._told = told
        self._next = first
        self._base = _frame(task.start_ms)
        self._random = np.random.default_rng(1)
        self._snapshot_at = 0.0
        self._full_at = 0.0

    def next_batch(self) -> list[pl.DataFrame]:
        self._note_stall()
        if self._told.is_set():
            raise StopIteration
        if self._next >= self._task.ids:
            return []
        first, self._next = self._next, min(self._next + BATCH_IDS, self._task.ids)
        self._tally.batches += 1
        return [self._batch(np.arange(first, self._next))]

    def _note_stall(self) -> None:
        """From a snapshot's beginning until the source is asked again, nothing moves."""
        if self._snapshot_at:
            self._tally.stalls_s.append(time.monotonic() - self._snapshot_at)
            self._snapshot_at = 0.0

    def _batch(self, fresh: "np.ndarray[tuple[int], np.dtype[np.int64]]") -> pl.DataFrame:
        again = self._random.integers(0, max(int(fresh[0]), 1), BATCH_REPEATS if fresh[0] else 0)
        keys = np.concatenate([fresh, again])
        times = self._task.start_ms + keys * HOUR_MS // self._task.ids
        receipts = np.concatenate([np.zeros(len(fresh), np.uint32), np.ones(len(again), np.uint32)])
        return self._base[: len(keys)].with_columns(
            message_key=pl.Series(keys), event_time=pl.Series(times), receipt=pl.Series(receipts)
        )

    def next_awake(self) -> datetime | None:
        return None if self._next < self._task.ids else datetime.now(UTC) + timedelta(milliseconds=20)

    def snapshot(self) -> int:
        self._snapshot_at = time.monotonic()
        return self._next


def _frame(start_ms: int) -> pl.DataFrame:
    """All that is the same in every event."""
    rows = BATCH_IDS + BATCH_REPEATS
    text = {"campaign_id": "hour", "error_code": "", "provider": "meta_whatsapp", "raw_status": ""}
    return pl.DataFrame({"message_key": np.arange(rows)}).with_columns(
        *(pl.lit(value, pl.Categorical).alias(name) for name, value in text.items()),
        attempt=pl.lit(1, pl.Int64),
        status=pl.lit("delivered", STATUS_TYPE),
        event_time=pl.lit(start_ms, pl.Int64),
        received_at=pl.lit(start_ms, pl.Int64),
        sent_at=pl.lit(start_ms, pl.Int64),
        receipt=pl.lit(0, pl.UInt32),
    )


class _CountingSink(DynamicSink[tuple[str, Judged]]):
    def __init__(self, tally: Tally) -> None:
        self._tally = tally

    def build(self, _step_id: str, _worker_index: int, _worker_count: int) -> "_Counting":
        return _Counting(self._tally)


class _Counting(StatelessSinkPartition[tuple[str, Judged]]):
    def __init__(self, tally: Tally) -> None:
        self._tally = tally

    def write_batch(self, items: list[tuple[str, Judged]]) -> None:
        for _, judged in items:
            self._tally.passed += len(judged.frame) if judged.passes is None else int(judged.passes.sum())


class _Nobody:
    """No companions."""

    def start(self) -> None:
        """Nothing to start."""

    def finish(self) -> None:
        """Nothing to end."""


class HeldHour:
    """The dataflow, in a thread of its own so that it can be asked from outside."""

    def __init__(self, task: HourTask) -> None:
        self._task = task
        self._now_ms = task.start_ms + HOUR_MS
        self._settings = Settings(recovery=task.folder, epoch=task.epoch_ms, window_mb=task.window_mb)
        self._told = threading.Event()
        self.tally = Tally()
        folder = recovery_folder(self._settings, "hour")
        self.window = Window(folder / "window", lambda: self._now_ms, self._settings.window, task.window_mb << 20)
        self._thread = threading.Thread(target=self._run, name="hour")

    def start(self) -> None:
        self._thread.start()

    def _run(self) -> None:
        run(self._dataflow(), _Nobody(), self._settings, "hour", Stop())

    def _dataflow(self) -> Dataflow:
        flow = Dataflow("hour")
        batches = op.input("hour", flow, _HourSource(self._task, self.tally, self._told))
        parts = op.flat_map("shard", batches, self._parts)
        stats = LaneStats("hour", "delivered", "0-of-1")
        window = lambda manifest: DedupWindow("delivered", self.window, stats, manifest, drop=True)  # noqa: E731
        op.output("count", op.stateful_batch("window", parts, window), _CountingSink(self.tally))
        return flow

    def _parts(self, frame: pl.DataFrame) -> Iterator[tuple[str, Part]]:
        return ((self.window.key(part), part) for part in cut(frame, SHARDS, BUCKET_MS))

    def wait_until_holds(self, ids: int) -> None:
        while self.window.size()[0] < ids and self._thread.is_alive():
            time.sleep(0.02)

    def expire(self) -> None:
        """Put the clock past the window's length."""
        self._now_ms += self._settings.window + 2 * HOUR_MS
        self.window.trim()

    def end(self) -> None:
        self._told.set()
        self._thread.join()


def main() -> None:
    task = HourTask(**json.loads(sys.argv[1]))
    resumes = recovery_folder(Settings(recovery=task.folder), "hour").exists()
    held, started = HeldHour(task), time.monotonic()
    held.start()
    held.wait_until_holds(task.ids)
    _tell("resumed" if resumes else "filled", held, time.monotonic() - started)
    if resumes:
        held.expire()
        _tell("expired", held, 0.0)
        held.end()
        return
    sys.stdin.readline()  # it is killed here


def _tell(what: str, held: HeldHour, seconds: float) -> None:
    ids, table_bytes = held.window.size()
    told = {
        "what": what,
        "seconds": seconds,
        "rss_mb": rss_mb(os.getpid()),
        "ids": ids,
        "table_mb": table_bytes / (1 << 20),
    }
    tally = held.tally
    print(json.dumps(told | {"passed": tally.passed, "batches": tally.batches, "stalls_s": tally.stalls_s}), flush=True)


if __name__ == "__main__":
    main()
