"""The producer of file topics."""

from contextlib import suppress
from pathlib import Path

from flows.topics.file_layout import disk_errors, make_topic, partition_folder, partition_numbers, sync_folder
from flows.topics.file_writer import SegmentWriter, repair_segments
from flows.topics.lines import check_lines
from flows.topics.names import check_name
from schemas.errors import UsageError

SEGMENT_BYTES = 256 * 1024 * 1024
"""A segment that would grow beyond this ends, and the next begins."""


class FileProducer:
    """Appends to segments of its own (`Producer` says how it is used).

    Each append is written at once, so `flush` has nothing to do for lines to survive kill -9; with `fsync` it waits
    until they survive power loss. A segment begins at a partition's first append.
    """

    def __init__(self, root: Path, *, partitions: int, fsync: bool, segment_bytes: int = SEGMENT_BYTES) -> None:
        self._root = root
        self._new_topic_partitions = partitions
        self._fsync = fsync
        self._segment_bytes = segment_bytes
        self._partitions: dict[str, int] = {}
        self._segments: dict[tuple[str, int], SegmentWriter] = {}
        self._unsynced: set[tuple[str, int]] = set()

    def partitions(self, topic: str) -> int:
        if topic not in self._partitions:
            self._partitions[topic] = self._open_topic(topic)
        return self._partitions[topic]

    def _open_topic(self, topic: str) -> int:
        check_name("topic", topic)
        folder = self._root / topic
        with disk_errors(folder):
            make_topic(folder, self._new_topic_partitions)
            if self._fsync:
                sync_folder(folder)
                sync_folder(self._root)
        return len(partition_numbers(folder))

    def append(self, topic: str, partition: int, lines: bytes) -> None:
        check_lines(lines)
        key = topic, partition
        with disk_errors(self._root / topic):
            segment = self._segment_for(key, len(lines))
            segment.append(lines)
        self._unsynced.add(key)

    def _segment_for(self, key: tuple[str, int], size: int) -> SegmentWriter:
        segment = self._segments.get(key)
        if segment and (segment.spent or 0 < segment.size > self._segment_bytes - size):
            self._end_segment(key)
            segment = None
        return segment or self._begin_segment(key)

    def _begin_segment(self, key: tuple[str, int]) -> SegmentWriter:
        topic, partition = key
        if not 0 <= partition < self.partitions(topic):
            raise UsageError(f"topic {topic} has no partition {partition}")
        folder = partition_folder(self._root / topic, partition)
        repair_segments(folder)
        self._segments[key] = SegmentWriter(folder, fsync=self._fsync)
        return self._segments[key]

    def _end_segment(self, key: tuple[str, int]) -> None:
        if key in self._unsynced:
            self._segments[key].sync()
        self._segments.pop(key).close()

    def flush(self) -> None:
        with disk_errors(self._root):
            for key in self._unsynced & self._segments.keys():
                self._segments[key].sync()
        self._unsynced.clear()

    def close(self) -> None:
        with suppress(OSError):
            for segment in self._segments.values():
                segment.close()
        self._segments.clear()
