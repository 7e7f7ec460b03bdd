"""The generic cell rate algorithm (ITU-T I.371, annex A) over plain values: times in seconds, any clock.

A limit's whole state is its theoretical arrival time: when the next message would come at exactly the rate. A message
may come `tolerance_s` before that. Over any span, however long, no more than span / interval + tolerance / interval + 1
come, rounded down.
"""

import math
from typing import NamedTuple

CATCH_UP_S = 0.1
"""What a stall took is made up for if it was no longer than this."""
FASTER = 1.06
"""While it makes up: a plain GCRA with a tolerance that long reached 119 % in the worst 100 ms."""
SMOOTH_S = 0.004
"""At most so much of a second's share at once."""


class Bucket(NamedTuple):
    """One rate as an interval, and how early a message may be."""

    interval_s: float
    tolerance_s: float


class Pair(NamedTuple):
    """A rate that holds over time, and a slightly higher one that holds at every moment."""

    lasting: Bucket
    smooth: Bucket


def pair(per_s: float) -> Pair:
    """The buckets of a rate: its mean is exact, and no 100 ms exceed it by more than a tenth."""
    quick = per_s * FASTER
    return Pair(Bucket(1 / per_s, CATCH_UP_S), Bucket(1 / quick, SMOOTH_S))


def available(arrival: float, now: float, bucket: Bucket) -> int:
    """How many may come now."""
    spare = now + bucket.tolerance_s - max(arrival, now)
    return 0 if spare < 0 else math.floor(spare / bucket.interval_s + 1e-9) + 1


def take(arrival: float, now: float, bucket: Bucket, count: int) -> float:
    """The arrival time after `count` came now."""
    return max(arrival, now) + count * bucket.interval_s


def due(arrival: float, bucket: Bucket) -> float:
    """When the next may come."""
    return arrival - bucket.tolerance_s
