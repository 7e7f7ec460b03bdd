"""Lane events at a steady rate, in a thread: Delivered and Read in equal shares, made beforehand."""

import threading
import time
from itertools import count

import numpy as np

from flows.topics import open_producer
from loadgen.lanes import status_lines
from schemas.errors import TidemarkError
from schemas.settings import Settings
from schemas.statuses import Lane

LANES = (Lane.DELIVERED, Lane.READ)
_TICKS_PER_S = 10


class Pacing(threading.Thread):
    """`rate` events a second until it is stopped; a tick that comes late is made up for."""

    def __init__(self, settings: Settings, rate: float) -> None:
        super().__init__(name="pacing", daemon=True)
        self._settings = settings
        self._per_tick = max(1, int(rate / _TICKS_PER_S / len(LANES)))
        self._stopped = threading.Event()
        self._done = 0
        self._failure: TidemarkError | None = None

    @property
    def written(self) -> int:
        """So far, of each lane."""
        return self._per_tick * self._done

    def run(self) -> None:
        producer = open_producer(self._settings)
        try:
            partitions = {lane: producer.partitions(lane.topic) for lane in LANES}
            started = time.monotonic()
            for tick in count():
                if self._stopped.wait(max(0.0, started + tick / _TICKS_PER_S - time.monotonic())):
                    return
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

    def stop_in(self, seconds: float) -> None:
        threading.Timer(seconds, self._stopped.set).start()

    def finish(self) -> None:
        """Stop, and wait until all is written; raises TidemarkError."""
        self._stopped.set()
        self.join()
        if self._failure:
            raise self._failure
