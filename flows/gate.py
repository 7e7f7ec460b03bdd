"""Who may read next, where the lanes share a process: Delivered before the rest, Read last, and none starves."""

import time
from collections.abc import Callable, Sequence
from enum import Enum, auto

RESERVED_SHARE = 10
"""Of so many turns that a lane is kept waiting, it gets one all the same."""


class Brought(Enum):
    """What a poll did: next to nothing, something, or so much that more surely waits."""

    LITTLE = auto()
    SOME = auto()
    MUCH = auto()


class Pace:
    """Lets a poll through at once after one that brought much, else `fill_s` after the one before: what comes in many
    small batches costs several times as much. After one that brought little it is `little_s`.
    """

    def __init__(self, fill_s: float, little_s: float | None = None) -> None:
        self._waits_s = {
            Brought.LITTLE: fill_s if little_s is None else little_s,
            Brought.SOME: fill_s,
            Brought.MUCH: 0.0,
        }
        self._next = 0.0

    def opens(self) -> bool:
        return time.monotonic() >= self._next

    def polled(self, brought: Brought) -> None:
        self._next = time.monotonic() + self._waits_s[brought]


class Gate:
    """Lanes in order of precedence. A lane is polled only while those before it have nothing waiting.

    Nothing waits where the last poll brought less than it had room for. A lane whose writer is behind is not polled at
    all: that is how a slow database reaches back to the topic, without holding up the others.
    """

    def __init__(self, lanes: Sequence[str]) -> None:
        self._lanes = list(lanes)
        self._waiting = dict.fromkeys(lanes, False)
        self._kept = dict.fromkeys(lanes, 0)
        self._congested: dict[str, list[Callable[[], bool]]] = {lane: [] for lane in lanes}

    def watch(self, lane: str, congested: Callable[[], bool]) -> None:
        """Ask `congested` of a writer of the lane before each poll."""
        self._congested[lane].append(congested)

    def opens(self, lane: str) -> bool:
        """Whether the lane may be polled now."""
        if self._is_congested(lane):
            return False
        before = self._lanes[: self._lanes.index(lane)]
        if not any(self._waiting[other] and not self._is_congested(other) for other in before):
            return True
        self._kept[lane] += 1
        return self._kept[lane] % RESERVED_SHARE == 0

    def _is_congested(self, lane: str) -> bool:
        return any(congested() for congested in self._congested[lane])

    def floods(self, lane: str) -> bool:
        """Whether more of the lane waits than one poll takes."""
        return self._waiting[lane]

    def polled(self, lane: str, *, full: bool) -> None:
        self._waiting[lane] = full
