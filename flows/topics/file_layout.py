"""How a file topic lies on disk, and how that disk's errors read.

    ROOT/<topic>/<partition>/<segment>.ndjson       appended to by one writer, who holds a lock on it while it lives
                             <segment>.ndjson.gz    an ended segment, archived
                             .last                  the highest segment number ever given out; its lock guards numbering
    ROOT/<topic>/.groups/<group>.json               what each group committed

Segments of a partition are numbered from 1 without holes, so a hole was deleted. A segment whose lock is free has
ended: nothing is ever added to it, and what stands behind its last newline never was a whole line.
"""

import errno
import fcntl
import os
import re
import secrets
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from flows.topics.interface import MAX_PARTITIONS
from schemas.errors import TopicError, TopicFull, TopicUnknown, UsageError

GROUPS_FOLDER = ".groups"
_PARTITION = re.compile(r"\d{5}")
_SEGMENT = re.compile(r"(\d{7})\.ndjson(\.gz)?")
_NO_ROOM = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}


def partition_folder(topic: Path, partition: int) -> Path:
    return topic / f"{partition:05}"


def segment_path(folder: Path, number: int) -> Path:
    return folder / f"{number:07}.ndjson"


def archive_path(folder: Path, number: int) -> Path:
    return folder / f"{number:07}.ndjson.gz"


def segment_numbers(folder: Path) -> list[int]:
    """Ascending, archived ones included; other files are none of ours."""
    names = map(_SEGMENT.fullmatch, os.listdir(folder))
    return sorted({int(name[1]) for name in names if name})


def segment_exists(folder: Path, number: int) -> bool:
    """Looks for the archive last: it is there before the original goes."""
    return segment_path(folder, number).exists() or archive_path(folder, number).exists()


def partition_numbers(topic: Path) -> list[int]:
    """Raises TopicError for an unknown topic."""
    with disk_errors(topic):
        names = os.listdir(topic) if topic.is_dir() else []
    numbers = sorted(int(name) for name in names if _PARTITION.fullmatch(name))
    if not numbers:
        raise TopicUnknown(f"no topic {topic.name} in {topic.parent}")
    return numbers


def make_topic(topic: Path, partitions: int) -> None:
    """Make all its folders at once: other processes see the topic whole or not at all. Does nothing where it exists."""
    if not 1 <= partitions <= MAX_PARTITIONS:
        raise UsageError(f"TIDEMARK_PARTITIONS={partitions}: expected 1 to {MAX_PARTITIONS}")
    if topic.is_dir() and any(topic.iterdir()):
        return
    draft = topic.with_name(f".{topic.name}.{secrets.token_hex(4)}")
    for partition in range(partitions):
        partition_folder(draft, partition).mkdir(parents=True, exist_ok=True)
    try:
        draft.rename(topic)
    except OSError:
        for folder in [*draft.iterdir(), draft]:
            folder.rmdir()
        if not topic.is_dir():
            raise


def lock_free(fd: int) -> bool:
    """Whether nobody writes the segment any more; leaves it unlocked."""
    try:
        fcntl.flock(fd, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    fcntl.flock(fd, fcntl.LOCK_UN)
    return True


def take_lock(fd: int) -> bool:
    """Lock an ended segment for as long as `fd` is open; False where another process has it."""
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def sync_folder(folder: Path) -> None:
    """Make the names in `folder` survive power loss."""
    fd = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


@contextmanager
def disk_errors(what: Path) -> Iterator[None]:
    """Turn the errors of files into ours: TopicFull where there is no room, else TopicError."""
    try:
        yield
    except OSError as error:
        kind = TopicFull if error.errno in _NO_ROOM else TopicError
        raise kind(f"{what}: {error.strerror or error}") from error
    except (EOFError, zlib.error) as error:
        raise TopicError(f"{what}: a damaged archive ({error})") from error
