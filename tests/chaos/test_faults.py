"""The schedule of faults: decided by its seed, every kind in it, nothing too long."""

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loadgen.chaos.faults import FLOWS, PARTS, Kind, schedule

SEEDS = st.integers(0, 1_000)


@given(SEEDS)
def test_the_same_seed_gives_the_same_faults(seed: int) -> None:
    assert schedule(seed, 300, 12) == schedule(seed, 300, 12)
    assert schedule(seed, 300, 12) != schedule(seed + 1, 300, 12)


@given(SEEDS, st.floats(60, 1200), st.floats(1, 20))
def test_faults_come_in_order_within_the_run(seed: int, seconds: float, gap_s: float) -> None:
    faults = schedule(seed, seconds, gap_s)
    times = [fault.at_s for fault in faults]
    assert len(faults) == int(seconds / gap_s)
    assert times == sorted(times)
    assert all(0 <= at <= seconds for at in times)


@given(SEEDS)
def test_twenty_minutes_hold_every_kind_and_hit_every_process(seed: int) -> None:
    faults = schedule(seed, 1200, 12)
    assert len(faults) >= 60
    assert {fault.kind for fault in faults} == set(Kind)
    assert Counter(fault.kind for fault in faults).most_common(1)[0][0] is Kind.KILL
    for kind, targets in ((Kind.KILL, PARTS), (Kind.DISK_FULL, FLOWS)):
        assert {fault.target for fault in faults if fault.kind is kind} == set(targets), kind


@pytest.mark.parametrize("kind", list(Kind))
def test_a_short_run_has_one_of_each_kind(kind: Kind) -> None:
    assert kind in {fault.kind for fault in schedule(1, 20, 2)}
