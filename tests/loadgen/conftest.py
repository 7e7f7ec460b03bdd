"""Small runs, as lines."""

from collections import defaultdict
from collections.abc import Callable

import pytest

from loadgen.expected import Expected
from loadgen.plan import Plan
from loadgen.spoiled import Into
from loadgen.writing import Run

START_MS = 1_793_476_800_000
"""2026-10-31T20:00:00Z"""

Played = tuple[dict[str, list[bytes]], Expected]


@pytest.fixture(scope="session")
def play() -> Callable[[Plan, Into], Played]:
    """The lines of a run by topic, in order of arrival (topics have one partition), and what must come of them."""

    def _play(plan: Plan, into: Into) -> Played:
        run = Run(plan, into, lambda _topic: 1)
        lines: dict[str, list[bytes]] = defaultdict(list)
        for chunk in run.chunks():
            for record in chunk.records:
                lines[record.topic] += record.lines.removesuffix(b"\n").split(b"\n")
        return dict(lines), run.expected()

    return _play
