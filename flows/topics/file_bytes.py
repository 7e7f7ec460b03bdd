"""The bytes of a segment, plain or archived, from any offset."""

import gzip
import os
from pathlib import Path
from typing import Protocol

from flows.topics.file_layout import archive_path, lock_free, segment_path

_STEP_BYTES = 1024 * 1024


class SegmentBytes(Protocol):
    """Offsets and sizes count uncompressed bytes."""

    def read(self, size: int, offset: int) -> bytes:
        """Up to `size` bytes, fewer only at the end."""

    def has_ended(self) -> bool:
        """Whether nothing will be added any more."""

    def close(self) -> None: ...


def open_segment(folder: Path, number: int) -> SegmentBytes:
    """Raises FileNotFoundError for a segment that was deleted."""
    try:
        return _PlainBytes(segment_path(folder, number))
    except FileNotFoundError:
        return _ArchivedBytes(archive_path(folder, number))


def segment_size(folder: Path, number: int) -> int:
    """Its uncompressed bytes, 0 for one that was deleted."""
    try:
        return segment_path(folder, number).stat().st_size
    except FileNotFoundError:
        return _archived_size(archive_path(folder, number))


def _archived_size(path: Path) -> int:
    """RFC 1952: the last four bytes hold the size modulo 2^32, which segments stay below."""
    try:
        with path.open("rb") as file:
            file.seek(-4, os.SEEK_END)
            return int.from_bytes(file.read(4), "little")
    except FileNotFoundError:
        return 0


class _PlainBytes:
    def __init__(self, path: Path) -> None:
        self._fd = os.open(path, os.O_RDONLY)

    def read(self, size: int, offset: int) -> bytes:
        # `pread` makes room for all of `size` first: asked in vain by an idle reader that cost more than the rest.
        there = os.fstat(self._fd).st_size - offset
        return os.pread(self._fd, min(size, there), offset) if there > 0 else b""

    def has_ended(self) -> bool:
        return lock_free(self._fd)

    def close(self) -> None:
        os.close(self._fd)


class _ArchivedBytes:
    """Decompresses forward, and keeps what was read beyond the last offset asked for: that is asked for next."""

    def __init__(self, path: Path) -> None:
        self._file = gzip.GzipFile(path, "rb")
        self._start = 0
        self._held = b""

    def read(self, size: int, offset: int) -> bytes:
        if offset < self._start:
            self._file.seek(0)
            self._start, self._held = 0, b""
        self._skip_to(offset)
        if (missing := size - len(self._held)) > 0:
            self._held += self._file.read(missing)
        return self._held[:size]

    def _skip_to(self, offset: int) -> None:
        while self._start < offset:
            self._held = self._held or self._file.read(_STEP_BYTES)
            if not self._held:
                return
            skipped = min(offset - self._start, len(self._held))
            self._held = self._held[skipped:]
            self._start += skipped

    def has_ended(self) -> bool:
        return True

    def close(self) -> None:
        self._file.close()
