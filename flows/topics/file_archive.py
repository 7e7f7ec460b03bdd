"""Archiving the ended segments of a file topic."""

import gzip
import os
from pathlib import Path

from flows.topics.file_layout import (
    archive_path,
    disk_errors,
    partition_folder,
    partition_numbers,
    segment_numbers,
    segment_path,
    sync_folder,
    take_lock,
)
from flows.topics.file_writer import whole_lines_end

_STEP_BYTES = 1024 * 1024


def archive_topic(topic: Path) -> int:
    """Compress every ended segment; returns how many. The original goes only once the archive would survive power loss.

    Readers and writers may be at work meanwhile, and positions stay valid. Raises TopicError, TopicFull.
    """
    archived = 0
    for partition in partition_numbers(topic):
        folder = partition_folder(topic, partition)
        with disk_errors(folder):
            archived += sum(_archive_segment(folder, number) for number in segment_numbers(folder))
    return archived


def _archive_segment(folder: Path, number: int) -> bool:
    original = segment_path(folder, number)
    try:
        fd = os.open(original, os.O_RDONLY)
    except FileNotFoundError:  # archived already
        return False
    try:
        # Behind the lock it may have been archived by another process, which is then done with it.
        if not take_lock(fd) or not original.exists():
            return False
        _compress(fd, archive_path(folder, number))
        original.unlink()
    finally:
        os.close(fd)
    return True


def _compress(fd: int, target: Path) -> None:
    """Whole lines only, under the final name only when durable."""
    draft = target.with_suffix(".new")
    end = whole_lines_end(fd)
    with draft.open("wb") as raw:
        # No time stamp: the same segment gives the same archive.
        with gzip.GzipFile(filename="", fileobj=raw, mode="wb", compresslevel=6, mtime=0) as packed:
            for offset in range(0, end, _STEP_BYTES):
                packed.write(os.pread(fd, min(_STEP_BYTES, end - offset), offset))
        raw.flush()
        os.fsync(raw.fileno())
    draft.replace(target)
    sync_folder(target.parent)
