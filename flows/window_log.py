"""What a bucket of the dedup window holds, on disk: an append-only file per occupancy of a slot.

A restored window may be older than the offsets beside it, never newer: it would drop replayed events that never
reached a table. So a snapshot names a file and its length, and what stands behind that length is cut off.
"""

import os
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from flows.id_table import LOG_ENTRY, Ids, Marks
from schemas.errors import RecoveryError

_READ_ENTRIES = 1 << 20
_BUFFER_BYTES = 1 << 20


@contextmanager
def _failing(path: Path) -> Iterator[None]:
    """A full disk, say, ends the flow: events that it can't remember would have to pass for ever."""
    try:
        yield
    except OSError as error:
        raise RecoveryError(f"{path}: {error.strerror or error}") from None


class WindowLog:
    """Entries of `LOG_ENTRY`, in order of sighting; a later one of an id lowers the one before.

    Appends are buffered: they survive kill -9 once `length()` returned, power loss as well with `fsync`. What the disk
    refuses is a RecoveryError.
    """

    def __init__(self, path: Path, *, fsync: bool) -> None:
        self.path = path
        self._fsync = fsync
        self._pending = bytearray()
        with _failing(path):
            path.parent.mkdir(parents=True, exist_ok=True)
            self._file = path.open("ab", buffering=0)

    @classmethod
    def begin(cls, folder: Path, slot: str, *, fsync: bool) -> "WindowLog":
        """A file whose name was never used before: a crash can't leave another's entries in it."""
        return cls(folder / f"{slot}.{uuid.uuid4().hex}", fsync=fsync)

    @classmethod
    def resume(cls, folder: Path, name: str, length: int, *, fsync: bool) -> "WindowLog | None":
        """The file as a snapshot knew it; None for one that is missing or shorter, as power loss leaves it.

        A shorter one must not be written on: another crash, and what was appended since would stand within the length
        that the same old snapshot names.
        """
        path = folder / name
        if not path.exists() or path.stat().st_size < length:
            return None
        os.truncate(path, length)
        return cls(path, fsync=fsync)

    def append(self, ids: Ids, marks: Marks) -> None:
        entries = np.empty(len(ids), LOG_ENTRY)
        entries["id"], entries["mark"] = ids, marks
        self._pending += entries.tobytes()
        if len(self._pending) > _BUFFER_BYTES:
            self._write()

    def length(self) -> int:
        """Bytes that a snapshot may count on."""
        self._write()
        if self._fsync:
            with _failing(self.path):
                os.fsync(self._file.fileno())
        return self._file.tell()

    def _write(self) -> None:
        """An unbuffered file may take less than it is given."""
        with _failing(self.path):
            while self._pending:
                written = self._file.write(self._pending)
                del self._pending[:written]

    def entries(self) -> Iterator[tuple[NDArray[np.uint64], NDArray[np.uint32]]]:
        """All entries, in runs."""
        with self.path.open("rb") as file:
            while run := file.read(_READ_ENTRIES * LOG_ENTRY.itemsize):
                entries = np.frombuffer(run, LOG_ENTRY)
                yield entries["id"].astype(np.uint64), entries["mark"].astype(np.uint32)

    def close(self) -> None:
        """What was not counted on by a snapshot is not written any more: it would be cut off anyway."""
        self._pending.clear()
        self._file.close()


def discard(folder: Path, slot: str, *, keep: str | None) -> None:
    """Remove the files of a slot that no snapshot names: those of an epoch that a crash undid."""
    for path in folder.glob(f"{slot}.*"):
        if path.name != keep:
            path.unlink(missing_ok=True)
