"""Whether the status flow has landed what stood in its topics at some moment."""

import time
from collections.abc import Callable

from flows.history.past import GROUP
from flows.topics import list_partitions, open_reader
from schemas.errors import TopicError, TopicUnknown
from schemas.settings import Settings
from schemas.statuses import Lane
from schemas.topics import OUTBOUND

_LOOK_EVERY_S = 0.5
_GROUPS = {lane.topic: f"tidemark.status.{lane}" for lane in Lane} | {OUTBOUND: f"tidemark.status.{Lane.OTHER}"}


def wait_until_landed(settings: Settings, patience_s: float, watch: Callable[[str], None]) -> None:
    """Until all that stands in the lanes now has landed and was snapshotted. Raises TopicError when it takes longer."""
    goals = {topic: _lag(settings, topic, GROUP) for topic in _GROUPS}
    deadline_s = time.monotonic() + patience_s
    while late := {topic: left for topic, goal in goals.items() if (left := goal - _landed(settings, topic)) > 0}:
        if time.monotonic() > deadline_s:
            raise TopicError(f"flows.status is behind, by {_told(late)}: let it land that first, or raise --patience")
        watch(f"waiting for flows.status: {_told(late)}")
        time.sleep(_LOOK_EVERY_S)


def _told(late: dict[str, int]) -> str:
    return ", ".join(f"{left} of {topic}" for topic, left in late.items())


def _landed(settings: Settings, topic: str) -> int:
    """How far the lane has come, counted as `_lag` counts from the earliest that there is."""
    return _lag(settings, topic, GROUP) - _lag(settings, topic, _GROUPS[topic])


def _lag(settings: Settings, topic: str, group: str) -> int:
    """Offsets or bytes behind what `group` committed; a group that committed nothing stands at the earliest."""
    try:
        reader = open_reader(settings, topic, list_partitions(settings, topic), None, group)
    except TopicUnknown:
        return 0
    try:
        return sum(reader.lag().values())
    finally:
        reader.close()
