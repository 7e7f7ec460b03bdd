"""Lane events at a steady rate, in a thread: Delivered and Read in equal shares, made beforehand."""

import threading
import time

import numpy as np

from flows.topics import open_producer
from loadgen.lanes import status_lines
from schemas.errors import TidemarkError
from schemas.settings import Settings
from schemas.statuses import Lane

LANES = (Lane.DELIVERED, Lane.READ)
_TICKS_PER_S = 10


class Pacing(threading.Thread):
    """`rate` events a second for `seconds`; a tick that comes late is made up for."""

    def __init__(self, settings: Settings, rate: float, seconds: float) -> None:
        super().__init__(name="pacing", daemon=True)
        self._settings = settings
        self._per_tick = max(1, int(rate / _TICKS_PER_S / len(LANES)))
        self._ticks = int(seconds * _TICKS_PER_S)
        self._done = 0
        self._failure: TidemarkError | None = None

    @property
    def per_lane(self) -> int:
        return self._per_tick * self._ticks

    @property
    def written(self) -> int:
        """So far, of each lane."""
        return self._per_tick * self._done

    def run(self) -> None:
        producer = open_producer(self._settings)
        try:
            partitions = {lane: producer.partitions(lane.topic) for lane in LANES}
            started = time.monotonic()
            for tick in range(self._ticks):
                time.sleep(max(0.0, started + tick / _TICKS_PER_S - time.monotonic()))
                keys = np.arange(tick * self._per_tick, (tick + 1) * self._per_tick)
                for lane in LANES:
                    for partition, lines in status_lines(lane.value, keys, self._settings.clock, partitions[lane]):
                        producer.append(lane.topic, partition, lines)
                producer.flush()
                self._done = tick + 1
        except TidemarkError as error:
            self._failure = error
        finally:
            producer.close()

    def finish(self) -> None:
        """Until all is written; raises TidemarkError."""
        self.join()
        if self._failure:
            raise self._failure
