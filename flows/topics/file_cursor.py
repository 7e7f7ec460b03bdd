"""One reader's way through one segment."""

from pathlib import Path

from msgspec import Struct

from flows.topics.file_bytes import SegmentBytes, open_segment
from flows.topics.interface import LINE_LIMIT_BYTES, Record
from flows.topics.lines import count_lines
from flows.topics.places import file_offset, file_place
from schemas.events import PAYLOAD_LIMIT_BYTES

CHUNK_BYTES = 1024 * 1024
SMALLEST_CHUNK_BYTES = 16 * 1024
"""With less, ordinary lines would take the way of long ones."""
_SEARCH_BYTES = 64 * 1024 * 1024
"""How far one `read` looks for the end of a long line, so that other segments get their turn."""


class Mark(Struct, array_like=True):
    """The next line to read of a segment: its first byte and its number, both from 0."""

    segment: int
    byte: int = 0
    line: int = 0


class SegmentCursor:
    """Reads whole lines from `mark` on; `mark` always points behind what was handed over.

    `finished` turns true once the writer is gone and all its whole lines were read. Memory stays bounded by
    `LINE_LIMIT_BYTES`, however long a line is. Opens its file when first read; FileNotFoundError if it was deleted.
    """

    def __init__(self, folder: Path, partition: int, mark: Mark) -> None:
        self._folder = folder
        self._partition = partition
        self._bytes: SegmentBytes | None = None
        self._ended = False
        self._searched = mark.byte  # no line end between mark.byte and here
        self.mark = mark
        self.finished = False

    def read(self, max_bytes: int) -> Record | None:
        """The next run of whole lines, up to about `max_bytes`, or one line that is longer; None: nothing now."""
        source = self._bytes or self._open()
        if self._searched > self.mark.byte:
            return self._read_long_line(source)
        size = min(max(max_bytes, SMALLEST_CHUNK_BYTES), CHUNK_BYTES)
        chunk = source.read(size, self.mark.byte)
        if end := chunk.rfind(b"\n") + 1:
            return self._take(chunk[:end])
        self._searched += len(chunk)
        return self._read_long_line(source)

    def _open(self) -> SegmentBytes:
        self._bytes = open_segment(self._folder, self.mark.segment)
        self._ended = self._bytes.has_ended()
        return self._bytes

    def look_for_end(self) -> None:
        """Notice that the writer is gone."""
        if self._bytes and not self._ended:
            self._ended = self._bytes.has_ended()

    def _read_long_line(self, source: SegmentBytes) -> Record | None:
        """Find the line's end before its bytes are held."""
        end = self._find_line_end(source)
        if end is None:
            return None
        size = end - self.mark.byte
        if size <= LINE_LIMIT_BYTES:
            return self._take(source.read(size + 1, self.mark.byte))
        return self._take(source.read(PAYLOAD_LIMIT_BYTES, self.mark.byte), oversized=size)

    def _find_line_end(self, source: SegmentBytes) -> int | None:
        for _ in range(0, _SEARCH_BYTES, CHUNK_BYTES):
            chunk = source.read(CHUNK_BYTES, self._searched)
            if not chunk:
                # Not the other way round: a writer may add lines between our look at the bytes and its end.
                self.finished = self._ended
                return None
            if (found := chunk.find(b"\n")) >= 0:
                return self._searched + found
            self._searched += len(chunk)
        return None

    def _take(self, value: bytes, oversized: int = 0) -> Record:
        mark = self.mark
        lines, size = (1, oversized + 1) if oversized else (count_lines(value), len(value))
        self.mark = Mark(mark.segment, mark.byte + size, mark.line + lines)
        self._searched = self.mark.byte
        place = file_place(self._partition, mark.segment, mark.line)
        return Record(self._partition, file_offset(mark.segment, mark.byte), place, value, oversized)

    def close(self) -> None:
        if self._bytes:
            self._bytes.close()
            self._bytes = None
