"""What groups committed on a file topic: one JSON object per group, positions by partition."""

import fcntl
import logging
import os
from pathlib import Path
from typing import Any

import msgspec

from flows.topics.file_layout import GROUPS_FOLDER
from flows.topics.interface import Position

log = logging.getLogger(__name__)


def load_group(topic: Path, group: str) -> dict[int, Position]:
    """Empty where nothing was committed. A damaged file counts as none: the group then reads from the earliest."""
    path = _group_path(topic, group)
    try:
        positions: dict[int, Position] = msgspec.json.decode(path.read_bytes(), type=dict[int, dict[str, Any]])
        return positions
    except FileNotFoundError:
        return {}
    except msgspec.MsgspecError as error:
        log.warning("%s: %s; reading from the earliest", path, error)
        return {}


def store_group(topic: Path, group: str, positions: dict[int, Position]) -> None:
    """Replace the positions of these partitions; other processes of the group keep those of theirs. Raises OSError."""
    path = _group_path(topic, group)
    path.parent.mkdir(exist_ok=True)
    lock = os.open(path.with_suffix(".lock"), os.O_RDWR | os.O_CREAT, 0o666)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX)
        draft = path.with_suffix(".new")
        draft.write_bytes(msgspec.json.encode(load_group(topic, group) | positions))
        draft.replace(path)
    finally:
        os.close(lock)


def _group_path(topic: Path, group: str) -> Path:
    return topic / GROUPS_FOLDER / f"{group}.json"
