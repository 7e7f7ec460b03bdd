"""A lane's topic, watched while it fills."""

import threading
import time

import numpy as np
from numpy.typing import NDArray

from flows.topics import list_partitions, open_reader
from schemas.settings import Settings
from schemas.statuses import Lane

_LOOK_EVERY_S = 0.005
_LANE_BYTES = 16 << 20


class LaneWatch(threading.Thread):
    """How many lines `status.delivered` held when."""

    def __init__(self, settings: Settings) -> None:
        super().__init__(name="lane-watch", daemon=True)
        topic = Lane.DELIVERED.topic
        self._reader = open_reader(settings, topic, list_partitions(settings, topic), {}, "bench")
        self._ended = threading.Event()
        self._held = [(time.monotonic(), 0)]

    def run(self) -> None:
        held = 0
        while not self._ended.wait(_LOOK_EVERY_S):
            if records := self._reader.poll(_LANE_BYTES, 0):
                held += sum(record.value.count(b"\n") for record in records)
                self._held.append((time.monotonic(), held))
        self._reader.close()

    def finish(self) -> None:
        self._ended.set()
        self.join()

    def held_at(self, counts: NDArray[np.int64]) -> NDArray[np.float64]:
        """When it first held so many."""
        times, held = (np.array(column) for column in zip(*self._held, strict=True))
        return np.append(times, times[-1])[np.searchsorted(held, counts)]
