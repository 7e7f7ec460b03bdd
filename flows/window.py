"""The dedup window: which status events were seen before, by hour of the event and share of the messages.

    part of a batch -> slot "shard:ring place" -> bucket of that hour -> table of ids -> verdict a row

It fails open. It may be lost, evicted or bypassed, and then repeats pass, which the tables make harmless; it never
drops the first sighting of an event, nor one that is earlier than what it holds.
"""

import logging
import threading
import time
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import NamedTuple, TypeAlias

import numpy as np
import polars as pl
from bytewax.operators import StatefulBatchLogic
from numpy.typing import NDArray

from flows.id_table import FIRST, REPEAT, REPLAY, Ids, IdTable, Verdicts
from flows.stats import LaneStats
from flows.status_batch import Context, Part, provider_of
from flows.window_log import WindowLog, discard
from schemas.times import HOUR_MS, Clock

log = logging.getLogger(__name__)

BUCKET_MS = HOUR_MS
SHARDS = 8
CONTEXTS_AT_MOST = 1 << 16
"""More would be an attack (an error code per event): what comes beyond bypasses the window."""
_TRIM_EVERY_S = 0.1


CAUSES = {REPLAY: "replay", REPEAT: "repeat"}
"""Why the same event came again: we read it again, or the provider sent it again."""


class Judged(NamedTuple):
    """Rows of a part, and which of them go on to the tables; None: all."""

    frame: pl.DataFrame
    passes: NDArray[np.bool_] | None


class Manifest(NamedTuple):
    """What a snapshot keeps of an occupied slot; the ids themselves stand in the log."""

    slot: str
    bucket: int
    file: str
    length: int
    contexts: list[Context]


class Bucket:
    """The ids of one hour and shard: a context, interned for this occupancy alone, above the key's lower 32 bits."""

    def __init__(self, number: int, log_: WindowLog, contexts: list[Context]) -> None:
        self.number = number
        self.log = log_
        self.table = IdTable()
        self._contexts = {context: place for place, context in enumerate(contexts, start=1)}

    def restore(self) -> None:
        for ids, marks in self.log.entries():
            self.table.sight(ids, marks)

    def manifest(self, slot: str) -> Manifest:
        return Manifest(slot, self.number, self.log.path.name, self.log.length(), list(self._contexts))

    def sight(self, part: Part) -> Verdicts:
        """A verdict for each row; rows whose context finds no room count as first sightings and are not kept."""
        ids, marks = self._ids(part), part.marks
        verdicts = np.full(len(ids), FIRST, np.uint8)
        known = ids >> np.uint64(32) != 0
        if known.all():
            verdicts = self.table.sight(ids, marks)
        elif known.any():
            verdicts[known] = self.table.sight(ids[known], marks[known])
        kept = known & (verdicts < REPLAY)
        if kept.any():
            self.log.append(ids[kept], marks[kept])
        return verdicts

    def _ids(self, part: Part) -> Ids:
        present = np.bincount(part.context_of, minlength=len(part.contexts)).nonzero()[0]
        places = np.zeros(len(part.contexts), np.uint64)
        for index in present:
            places[index] = self._intern(part.contexts[index])
        return (places[part.context_of] << np.uint64(32)) | part.low_keys

    def _intern(self, context: Context) -> int:
        """The context's place, from 1; 0 when there is no room."""
        if context not in self._contexts and len(self._contexts) < CONTEXTS_AT_MOST:
            self._contexts[context] = len(self._contexts) + 1
        return self._contexts.get(context, 0)


class Window:
    """What the slots of a process share: folder, clock, span and memory. Thread-safe: workers are threads."""

    def __init__(self, folder: Path, clock: Clock, span_ms: int, limit_bytes: int, *, fsync: bool = False) -> None:
        self.folder = folder
        self.clock = clock
        self.ring = -(-span_ms // BUCKET_MS) + 3
        self.fsync = fsync
        self._span_ms = span_ms
        self._limit_bytes = limit_bytes
        self._evicted_to = 0
        self._trimmed_at = 0.0
        self._slots: set[Slot] = set()
        self._lock = threading.Lock()

    def key(self, part: Part) -> str:
        """The slot's key in Bytewax, where each key ever used leaves a tombstone: so a ring of few is used for ever."""
        return f"{part.shard}:{part.bucket % self.ring}"

    def spans(self, bucket: int) -> bool:
        """Whether events of this bucket are still looked for."""
        now = self.clock()
        inside = now - self._span_ms < (bucket + 1) * BUCKET_MS and bucket * BUCKET_MS <= now + BUCKET_MS
        return inside and bucket >= self._evicted_to

    def register(self, slot: "Slot") -> None:
        with self._lock:
            self._slots.add(slot)

    def close(self) -> None:
        """Let go of all files; snapshots stay as they are."""
        with self._lock:
            for slot in self._slots:
                slot.vacate()

    def size(self) -> tuple[int, int]:
        """Ids held and bytes that they take, over all slots of the process."""
        with self._lock:
            tables = [bucket.table for slot in self._slots if (bucket := slot.bucket)]
        return sum(map(len, tables)), sum(table.bytes for table in tables)

    def trim_now_and_then(self) -> None:
        if time.monotonic() - self._trimmed_at > _TRIM_EVERY_S:
            self._trimmed_at = time.monotonic()
            self.trim()

    def trim(self) -> None:
        """Let go of what is past the span, and of the oldest hours while there is too much."""
        with self._lock:
            held = [(slot.bucket_number, slot.bytes, slot) for slot in self._slots if slot.bucket]
            held.sort(key=lambda entry: entry[0])
            total = sum(size for _, size, _ in held)
            for number, size, slot in held:
                over = total > self._limit_bytes
                if not over and self.spans(number):
                    continue
                if over:
                    self._evicted_to = max(self._evicted_to, number + 1)
                    log.warning("window_full evicted_hour=%d limit_bytes=%d", number, self._limit_bytes)
                total -= size
                slot.vacate_if(number)


class Slot:
    """A place of the ring in one shard: empty, or occupied by the bucket that came last."""

    def __init__(self, name: str, window: Window, manifest: Manifest | None) -> None:
        self._name = name
        self._window = window
        self.bucket: Bucket | None = None
        self._left_before: list[Path] = []
        self._left_now: list[Path] = []
        self._lock = threading.RLock()  # any worker's thread may trim
        discard(window.folder, self._name, keep=manifest.file if manifest else None)
        if manifest:
            self._restore(manifest)
        window.register(self)

    @property
    def bucket_number(self) -> int:
        bucket = self.bucket  # once: another worker's thread may vacate the slot meanwhile
        return bucket.number if bucket else -1

    @property
    def bytes(self) -> int:
        bucket = self.bucket
        return bucket.table.bytes if bucket else 0

    def _restore(self, manifest: Manifest) -> None:
        resumed = WindowLog.resume(self._window.folder, manifest.file, manifest.length, fsync=self._window.fsync)
        if resumed is None:
            log.warning("window_lost file=%s", manifest.file)
            return
        self.bucket = Bucket(manifest.bucket, resumed, manifest.contexts)
        if self._window.spans(manifest.bucket):
            self.bucket.restore()
        else:
            self.vacate()

    def vacate(self) -> None:
        """Forget the bucket; its file stays until a snapshot that doesn't name it is durable."""
        with self._lock:
            bucket, self.bucket = self.bucket, None
            if bucket:
                bucket.log.close()
                self._left_now.append(bucket.log.path)

    def vacate_if(self, number: int) -> None:
        """Forget the bucket, unless a later one has come."""
        with self._lock:
            if self.bucket_number == number:
                self.vacate()

    def sight(self, part: Part) -> Verdicts | None:
        """A verdict for each row; None where the window doesn't look: outside its span, or a later hour has it."""
        with self._lock:
            if not self._window.spans(part.bucket) or part.bucket < self.bucket_number:
                return None
            return self._occupied_by(part.bucket).sight(part)

    def _occupied_by(self, number: int) -> Bucket:
        if self.bucket is None or self.bucket.number != number:
            self.vacate()
            begun = WindowLog.begin(self._window.folder, self._name, fsync=self._window.fsync)
            self.bucket = Bucket(number, begun, [])
        return self.bucket

    def snapshot(self) -> Manifest | None:
        """That this is called means that the snapshot before is durable: files which it no longer named may go."""
        with self._lock:
            for path in self._left_before:
                path.unlink(missing_ok=True)
            self._left_before, self._left_now = self._left_now, []
            return self.bucket.manifest(self._name) if self.bucket else None


_Result: TypeAlias = tuple[Sequence[Judged], bool]


class DedupWindow(StatefulBatchLogic[Part, Judged, Manifest | None]):
    """A slot as Bytewax keeps it: the key's state is a manifest, some hundred bytes for each context."""

    def __init__(self, lane: str, window: Window, stats: LaneStats, manifest: Manifest | None, *, drop: bool) -> None:
        self._lane = lane
        self._window = window
        self._slot = Slot(manifest.slot, window, manifest) if manifest else None
        self._stats = stats
        self._drop = drop

    def on_batch(self, values: list[Part]) -> _Result:
        judged = [self._judge(part) for part in values]
        self._window.trim_now_and_then()
        return judged, False

    def _judge(self, part: Part) -> Judged:
        verdicts = self._slot_of(part).sight(part)
        if verdicts is None:
            self._stats.add(bypassed=len(part.frame))
            return Judged(part.frame, None)
        repeats = verdicts >= REPLAY
        if not repeats.any():
            return Judged(part.frame, None)
        self._count(part, verdicts)
        return Judged(part.frame, ~repeats if self._drop else None)

    def _slot_of(self, part: Part) -> Slot:
        """Bytewax tells a logic its state and not its key, so an empty slot learns its name from its first part."""
        if self._slot is None:
            name = f"{self._lane}-{part.shard}-{part.bucket % self._window.ring}"
            self._slot = Slot(name, self._window, None)
        return self._slot

    def _count(self, part: Part, verdicts: Verdicts) -> None:
        """Repeats by provider and cause."""
        for verdict, cause in CAUSES.items():
            of_context = np.bincount(part.context_of[verdicts == verdict], minlength=len(part.contexts))
            for index in of_context.nonzero()[0]:
                self._stats.add_repeats(provider_of(part.contexts[index]), cause, int(of_context[index]))
        if self._drop:
            self._stats.add(dropped=int((verdicts >= REPLAY).sum()))

    def notify_at(self) -> datetime | None:
        return None

    def snapshot(self) -> Manifest | None:
        return self._slot.snapshot() if self._slot else None
