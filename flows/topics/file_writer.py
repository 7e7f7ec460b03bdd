"""Writing segments: each belongs to one writer, from before it has its name until it is closed or its process dies."""

import fcntl
import os
from pathlib import Path

from flows.topics.file_layout import segment_numbers, segment_path, sync_folder, take_lock
from flows.topics.places import MAX_SEGMENT
from schemas.errors import TopicError

_DRAFT = ".new"
_STEP_BYTES = 64 * 1024
_WRITE_BACK_BYTES = 1024 * 1024
_CAN_ADVISE = hasattr(os, "posix_fadvise")  # macOS has none


class SegmentWriter:
    """One new segment, appended to.

    An append is one write. Where it fails, the file is cut back to what it was; since a reader may have seen whole
    lines of it already, the segment is then `spent`: it ends, so that no other line ever stands in their place.
    Raises OSError.
    """

    def __init__(self, folder: Path, *, fsync: bool) -> None:
        self._fd = _create_segment(folder)
        self._fsync = fsync
        self.size = 0
        self._written_back = 0
        self.spent = False
        if fsync:
            sync_folder(folder)

    def append(self, lines: bytes) -> None:
        written = 0
        try:
            while written < len(lines):
                written += os.write(self._fd, memoryview(lines)[written:])
        except BaseException as error:
            # An interrupt may come between the write and the count of it.
            self.spent = written > 0 or not isinstance(error, OSError)
            os.ftruncate(self._fd, self.size)
            raise
        self.size += len(lines)
        self._write_back()

    def _write_back(self) -> None:
        """Have the system begin to write what has gathered: left alone it writes half a minute's worth at once, and
        everybody waits for the disk. What is not written yet stays in memory all the same.
        """
        gathered = self.size - self._written_back
        if _CAN_ADVISE and gathered >= _WRITE_BACK_BYTES:
            os.posix_fadvise(self._fd, self._written_back, gathered, os.POSIX_FADV_DONTNEED)
            self._written_back = self.size

    def sync(self) -> None:
        if self._fsync:
            os.fsync(self._fd)

    def close(self) -> None:
        os.close(self._fd)


def _create_segment(folder: Path) -> int:
    """The descriptor of a locked, empty segment with the next number.

    The lock is taken before the file gets its name, else a reader could find it free and take the segment for ended.
    """
    register = os.open(folder / ".last", os.O_RDWR | os.O_CREAT, 0o666)
    try:
        fcntl.flock(register, fcntl.LOCK_EX)
        number = _next_number(folder, register)
        fd = _create_locked(folder / _DRAFT)
        try:
            os.link(folder / _DRAFT, segment_path(folder, number))
            os.pwrite(register, b"%07d\n" % number, 0)
        except BaseException:
            os.close(fd)
            raise
        finally:
            os.unlink(folder / _DRAFT)
        return fd
    finally:
        os.close(register)


def _next_number(folder: Path, register: int) -> int:
    """Never one that was given out before, even when all segments have been deleted: places depend on it."""
    noted = os.pread(register, 7, 0)
    number = max(int(noted) if noted.isdigit() else 0, *segment_numbers(folder), 0) + 1
    if number > MAX_SEGMENT:
        raise TopicError(f"{folder}: all {MAX_SEGMENT} segment numbers are used up")
    return number


def _create_locked(draft: Path) -> int:
    draft.unlink(missing_ok=True)  # of a writer killed between two names
    fd = os.open(draft, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_APPEND, 0o666)
    fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    return fd


def repair_segments(folder: Path) -> None:
    """Cut the torn last line off the segments of dead writers."""
    for number in segment_numbers(folder):
        try:
            fd = os.open(segment_path(folder, number), os.O_RDWR)
        except FileNotFoundError:  # archived
            continue
        try:
            if _ends_torn(fd) and take_lock(fd):
                os.ftruncate(fd, whole_lines_end(fd))
        finally:
            os.close(fd)


def _ends_torn(fd: int) -> bool:
    size = os.fstat(fd).st_size
    return size > 0 and os.pread(fd, 1, size - 1) != b"\n"


def whole_lines_end(fd: int) -> int:
    """The byte behind the last newline."""
    end = os.fstat(fd).st_size
    while end > 0:
        start = max(end - _STEP_BYTES, 0)
        newline = os.pread(fd, end - start, start).rfind(b"\n")
        if newline >= 0:
            return start + newline + 1
        end = start
    return 0
