"""One reader's way through one partition of a file topic: which segments there are, which are read to their end."""

import os
import time
from pathlib import Path
from typing import Annotated, Any

import msgspec
from msgspec import Meta, Struct

from flows.topics.file_bytes import segment_size
from flows.topics.file_cursor import SMALLEST_CHUNK_BYTES, Mark, SegmentCursor
from flows.topics.file_layout import partition_folder, segment_exists, segment_numbers
from flows.topics.gaps import report_gap
from flows.topics.interface import Position, Record
from schemas.errors import TopicError

# A folder's time of change comes from a coarse clock: it is only trusted once it lies this far back.
_SETTLED_NS = 1_000_000_000


class _Position(Struct):
    """`next` 0: nothing seen yet, the first segment found is the first to read."""

    next: Annotated[int, Meta(ge=0)] = 0
    open: list[Mark] = []


def parse_position(position: Any, where: str) -> _Position:
    """Raises TopicError for what is no position of a file topic."""
    try:
        return msgspec.convert(position, _Position)
    except msgspec.ValidationError as error:
        raise TopicError(f"{where}: not a position in a file topic ({error}): {position!r:.100}") from None


class PartitionReader:
    """Reads segments in the order of their numbers, and beyond one whose writer is idle. Raises OSError, TopicGap."""

    def __init__(self, topic: Path, partition: int, position: Position, *, accept_gap: bool) -> None:
        start = parse_position(position, f"topic {topic.name}, partition {partition}")
        self._topic = topic.name
        self._partition = partition
        self._folder = partition_folder(topic, partition)
        self._accept_gap = accept_gap
        self._next = start.next
        self._cursors = {mark.segment: self._cursor(mark) for mark in sorted(start.open, key=lambda mark: mark.segment)}
        self._listed_at_ns = 0
        self.look_for_segments()
        self._check_open_segments()

    def _cursor(self, mark: Mark) -> SegmentCursor:
        return SegmentCursor(self._folder, self._partition, mark)

    def look_for_segments(self) -> None:
        """Notice new segments and ended writers."""
        for cursor in self._cursors.values():
            cursor.look_for_end()
        if not self._changed():
            return
        numbers = segment_numbers(self._folder)
        if not numbers:
            return
        if numbers[-1] < self._next - 1:
            self._start_anew(numbers[0])
        for number in range(self._next or numbers[0], numbers[-1] + 1):
            self._begin(number)
        self._next = numbers[-1] + 1

    def _changed(self) -> bool:
        """Listing thousands of segments twenty times a second would cost; the folder's time tells when to."""
        changed_at_ns = os.stat(self._folder).st_mtime_ns
        if changed_at_ns == self._listed_at_ns:
            return False
        settled = time.time_ns() - changed_at_ns > _SETTLED_NS
        self._listed_at_ns = changed_at_ns if settled else 0
        return True

    def _begin(self, number: int) -> None:
        # Not by the listing alone: one made during another process's changes may miss a file.
        if segment_exists(self._folder, number):
            self._cursors[number] = self._cursor(Mark(number))
        else:
            self._lost(f"segment {number} is")

    def _start_anew(self, first: int) -> None:
        self._lost(f"what was read up to segment {self._next - 1} is gone, the topic was made anew: it is")
        self.close()
        self._cursors.clear()
        self._next = first

    def _check_open_segments(self) -> None:
        for number in list(self._cursors):
            if not segment_exists(self._folder, number):
                self._drop_lost(number)

    def _drop_lost(self, number: int) -> None:
        mark = self._cursors[number].mark
        self._lost(f"segment {number} from byte {mark.byte} on is")
        del self._cursors[number]

    def _lost(self, what: str) -> None:
        report_gap(self._topic, self._partition, what, accept=self._accept_gap)

    def read(self, max_bytes: int, records: list[Record]) -> int:
        """Append to `records` about `max_bytes`, or one line that is longer; returns the bytes taken."""
        taken = 0
        for number, cursor in list(self._cursors.items()):
            taken += self._read_segment(number, cursor, max_bytes - taken, records)
            if max_bytes - taken < SMALLEST_CHUNK_BYTES:
                break
        return taken

    def _read_segment(self, number: int, cursor: SegmentCursor, max_bytes: int, records: list[Record]) -> int:
        taken = 0
        try:
            while record := cursor.read(max_bytes - taken):
                records.append(record)
                taken += len(record.value)
                if max_bytes - taken < SMALLEST_CHUNK_BYTES:
                    break
        except FileNotFoundError:
            self._drop_lost(number)
        if cursor.finished:
            cursor.close()
            del self._cursors[number]
        return taken

    def position(self) -> dict[str, Any]:
        marks = [cursor.mark for cursor in self._cursors.values()]
        return {"next": self._next, "open": [[mark.segment, mark.byte, mark.line] for mark in marks]}

    def lag(self) -> int:
        """Bytes, uncompressed, to the end of all segments."""
        self.look_for_segments()
        marks = [cursor.mark for cursor in self._cursors.values()]
        return sum(max(segment_size(self._folder, mark.segment) - mark.byte, 0) for mark in marks)

    def close(self) -> None:
        for cursor in self._cursors.values():
            cursor.close()
