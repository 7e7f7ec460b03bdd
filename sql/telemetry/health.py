"""Is a process alive, and is it of use? Liveness asks for a restart, readiness only for patience.

starting ─▶ ready ◀─▶ behind     late, and working on it
              ├─────▶ broken     waits for something that is down, or is about to end: no restart helps
              └─────▶ silent     nothing moves, and nobody knows why: the one state that is not alive
"""

from collections.abc import Callable
from enum import StrEnum
from typing import NamedTuple


class State(StrEnum):
    READY = "ready"
    STARTING = "starting"
    BEHIND = "behind"
    BROKEN = "broken"
    SILENT = "silent"


class Verdict(NamedTuple):
    state: State
    why: str = ""


Health = Callable[[], Verdict]
"""Asked by whoever probes the process, from another thread."""


def is_alive(verdict: Verdict) -> bool:
    return verdict.state is not State.SILENT


def is_ready(verdict: Verdict) -> bool:
    return verdict.state is State.READY
