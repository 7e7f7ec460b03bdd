"""What becomes of a message that a provider took: how often it fails and why, is read, is clicked."""

import random
from collections.abc import Iterator
from typing import NamedTuple

from msgspec import Struct

_LONGEST_READ = 15.0
"""Times the median delay: somebody who waits for the end of a run need not wait for the last reader."""


class Habits(Struct, frozen=True):
    """Shares: `failed` of all, for one of `codes`; `read` of those delivered, `clicked` of those read."""

    codes: tuple[str, ...] = ("undeliverable",)
    failed: float = 0.02
    read: float = 0.4
    clicked: float = 0.0


class Happening(NamedTuple):
    """One status, and how long after the message was taken."""

    after_s: float
    status: str
    code: str = ""


HABITS = {
    "meta_whatsapp": Habits(codes=("131026", "131049", "131053")),
    "gupshup": Habits(codes=("131026",)),
    "twilio": Habits(codes=("30003", "30005")),
    "sendgrid": Habits(codes=("5.1.1", "5.2.2"), clicked=0.25),
    "infobip": Habits(codes=("EC_ABSENT_SUBSCRIBER",), read=0.0),
    "vonage": Habits(read=0.0),
    "canonical": Habits(clicked=0.1),
}
"""Those that call back."""


def happenings(habits: Habits, delay_s: float, chance: random.Random) -> Iterator[Happening]:
    """In the order of time; `delay_s` is the median until a message is delivered."""
    yield Happening(delay_s * chance.uniform(0.1, 0.4), "sent")
    arrives_s = delay_s * (0.4 + 0.6 * chance.lognormvariate(0, 0.5))
    if chance.random() < habits.failed:
        yield Happening(arrives_s, "failed", chance.choice(habits.codes))
        return
    yield Happening(arrives_s, "delivered")
    if chance.random() >= habits.read:
        return
    read_s = arrives_s + delay_s * min(chance.expovariate(0.3), _LONGEST_READ)
    yield Happening(read_s, "read")
    if chance.random() < habits.clicked:
        yield Happening(read_s + delay_s * chance.uniform(0.2, 1.0), "clicked")
