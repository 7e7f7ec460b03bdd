"""The reader of file topics."""

import time
from collections import deque
from contextlib import suppress
from pathlib import Path

from flows.topics.file_cursor import SMALLEST_CHUNK_BYTES
from flows.topics.file_groups import load_group, store_group
from flows.topics.file_layout import disk_errors, partition_numbers
from flows.topics.file_partition import PartitionReader
from flows.topics.interface import Position, Record
from schemas.errors import TopicError

_LOOK_EVERY_S = 0.05
_PAUSE_S = 0.005


class FileReader:
    """Reads the partitions by turns, each an equal share of a poll (`Reader` says how it is used)."""

    def __init__(
        self,
        topic: Path,
        partitions: list[int],
        start: dict[int, Position],
        group: str,
        *,
        from_group: bool,
        accept_gap: bool,
    ) -> None:
        self._topic = topic
        self._group = group
        if unknown := set(partitions) - set(partition_numbers(topic)):
            raise TopicError(f"topic {topic.name} has no partition {min(unknown)}")
        with disk_errors(topic):
            earliest: dict[int, Position] = {partition: {"next": 0} for partition in partitions}
            positions = earliest | (load_group(topic, group) if from_group else {}) | start
            self._partitions = {
                partition: PartitionReader(topic, partition, positions[partition], accept_gap=accept_gap)
                for partition in partitions
            }
        self._turns = deque(self._partitions.values())
        self._looked_at_s = time.monotonic()

    def poll(self, max_bytes: int, timeout_s: float) -> list[Record]:
        deadline_s = time.monotonic() + timeout_s
        with disk_errors(self._topic):
            while True:
                self._look_for_segments()
                records = self._read(max_bytes)
                left_s = deadline_s - time.monotonic()
                if records or left_s <= 0:
                    return records
                time.sleep(min(left_s, _PAUSE_S))

    def _look_for_segments(self) -> None:
        if time.monotonic() - self._looked_at_s >= _LOOK_EVERY_S:
            for partition in self._turns:
                partition.look_for_segments()
            self._looked_at_s = time.monotonic()

    def _read(self, max_bytes: int) -> list[Record]:
        """Go around until there is enough, or a whole round gave nothing."""
        share = max(max_bytes // max(len(self._turns), 1), SMALLEST_CHUNK_BYTES)
        records: list[Record] = []
        idle = 0
        while idle < len(self._turns) and (max_bytes >= SMALLEST_CHUNK_BYTES or not records):
            try:
                taken = self._turns[0].read(min(share, max_bytes), records)
            except Exception:
                # `positions` already covers these records: hand them over, the next poll meets the error again.
                if records:
                    break
                raise
            self._turns.rotate(-1)
            max_bytes -= taken
            idle = 0 if taken else idle + 1
        return records

    def positions(self) -> dict[int, Position]:
        return {number: partition.position() for number, partition in self._partitions.items()}

    def lag(self) -> dict[int, int]:
        with disk_errors(self._topic):
            return {number: partition.lag() for number, partition in self._partitions.items()}

    def commit(self, positions: dict[int, Position]) -> None:
        with disk_errors(self._topic):
            store_group(self._topic, self._group, positions)

    def close(self) -> None:
        with suppress(OSError):
            for partition in self._partitions.values():
                partition.close()
