"""What goes wrong when: a schedule that follows from its seed alone."""

import random
from enum import StrEnum
from typing import NamedTuple

FLOWS = ("route", "delivered", "other", "read")
PARTS = ("broker", "server", *FLOWS)
"""Every process that can be hit; the three lanes have one each."""


class Kind(StrEnum):
    """Ways to fail."""

    KILL = "kill"
    """SIGKILL; started again at once."""
    PAUSE = "pause"
    """SIGSTOP for seconds."""
    RESTART_BROKER = "restart_broker"
    """In order, as for an upgrade."""
    CUT_INSERT = "cut_insert"
    """The connection goes in the middle of an insert's body."""
    LATE_ANSWER = "late_answer"
    """An insert is done, and answered after the client gave up."""
    DISK_FULL = "disk_full"
    """No file of the process may grow: to a writer, that is a full disk."""
    CLOCK_JUMP = "clock_jump"
    """Hours, forth or back, for seconds."""
    STORM = "storm"
    """The last bodies come again, several times."""
    POISON = "poison"
    """Lines that nobody can use."""
    PARTITIONS = "partitions"
    """Every topic gets one more; readers are restarted one after the other, as an operator does it."""


_TARGETS: dict[Kind, tuple[str, ...]] = {
    Kind.KILL: PARTS,
    Kind.PAUSE: PARTS,
    Kind.DISK_FULL: FLOWS,
    Kind.CLOCK_JUMP: FLOWS,
}
_WEIGHTS = {
    Kind.KILL: 6,
    Kind.PAUSE: 3,
    Kind.CUT_INSERT: 3,
    Kind.LATE_ANSWER: 2,
    Kind.STORM: 2,
    Kind.POISON: 2,
    Kind.CLOCK_JUMP: 2,
    Kind.DISK_FULL: 2,
    Kind.RESTART_BROKER: 1,
    Kind.PARTITIONS: 1,
}
_PARTITIONS_AT_MOST = 4
_LONGEST_S = 4.0


class Fault(NamedTuple):
    """At `at_s` from the start `kind` happens to `target` (none: to all), for `lasts_s` where it lasts.

    `size` from -1 to 1 says how much, where there is a more and a less.
    """

    at_s: float
    kind: Kind
    target: str
    lasts_s: float
    size: float


def schedule(seed: int, seconds: float, gap_s: float) -> list[Fault]:
    """Faults some `gap_s` apart, in order: each kind in turn, the frequent ones oftener; the same for the same seed."""
    chance = random.Random(seed)
    kinds = _kinds(chance, int(seconds / gap_s))
    targets = {kind: _in_turn(chance, names) for kind, names in _TARGETS.items()}
    return [
        Fault(
            at_s=round((place + chance.uniform(0.1, 0.9)) * gap_s, 2),
            kind=kind,
            target=targets[kind].pop() if targets.get(kind) else _one_of(chance, kind),
            lasts_s=round(chance.uniform(0.5, min(_LONGEST_S, 2 * gap_s)), 2),
            size=round(chance.uniform(-1, 1), 2),
        )
        for place, kind in enumerate(kinds)
    ]


def _kinds(chance: random.Random, count: int) -> list[Kind]:
    """Rounds of all kinds by weight, shuffled; the first so many have each at least once, if there is room."""
    drawn: list[Kind] = list(Kind)
    chance.shuffle(drawn)
    while len(drawn) < count:
        more = [kind for kind, weight in _WEIGHTS.items() for _ in range(weight)]
        chance.shuffle(more)
        drawn += [kind for kind in more if kind is not Kind.PARTITIONS or drawn.count(kind) < _PARTITIONS_AT_MOST]
    return drawn[:count]


def _in_turn(chance: random.Random, names: tuple[str, ...]) -> list[str]:
    """Each once before any is hit twice."""
    return chance.sample(names, len(names))


def _one_of(chance: random.Random, kind: Kind) -> str:
    return chance.choice(_TARGETS[kind]) if kind in _TARGETS else ""
