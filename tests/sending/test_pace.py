"""Laws of the pace: over any span no more than the rate and its tolerance, and nothing lost that need not be."""

import math

from hypothesis import example, given, settings
from hypothesis import strategies as st

from flows.sending.gcra import CATCH_UP_S, FASTER, SMOOTH_S, Bucket, available, due, pair, take
from flows.sending.limits import UNLIMITED, Limit, free

rates = st.floats(1, 20_000)
gaps = st.lists(st.floats(0, 0.5), min_size=1, max_size=200)


@given(rates, gaps)
def test_over_any_span_no_more_come_than_the_rate_lets(rate: float, waits: list[float]) -> None:
    bucket = Bucket(1 / rate, 0.05)
    arrival = now = 0.0
    came: list[tuple[float, int]] = []
    for wait in waits:
        now += wait
        count = min(available(arrival, now, bucket), 5_000)
        arrival = take(arrival, now, bucket, count)
        came.append((now, count))
    for first, (begin, _) in enumerate(came):
        total = 0
        for at, count in came[first:]:
            total += count
            assert total <= (at - begin + bucket.tolerance_s) * rate + 1 + 1e-6


@given(rates, st.floats(0, 10))
def test_what_is_available_may_be_taken_and_one_more_may_not(rate: float, now: float) -> None:
    bucket = Bucket(1 / rate, 0.02)
    count = available(now, now, bucket)
    after = take(now, now, bucket, count)
    assert count >= 1
    assert available(after, now, bucket) == 0
    assert due(after, bucket) >= now - 1e-6
    assert available(after, due(after, bucket) + 1e-6, bucket) >= 1


@settings(deadline=None)
@given(rates, st.floats(0.0005, 0.02))
@example(89.0, 0.0091)
def test_steadily_asked_it_gives_the_rate_to_the_message(rate: float, tick_s: float) -> None:
    """Asked less often than each `SMOOTH_S`, it makes up for that much of each wait: what is beyond it is lost."""
    limit, now, count, span_s = Limit(rate, 0.0), 0.0, 0, 5.0
    while now < span_s:
        now += tick_s
        room = limit.available(now)
        limit.take(room, now)
        count += room
    reached = min(1.0, FASTER * SMOOTH_S / tick_s)
    assert reached * rate * (span_s - 0.3) - 2 <= count <= rate * now + 2


@settings(deadline=None)
@given(rates, st.lists(st.floats(0.0002, 0.3), min_size=20, max_size=200))
def test_no_tenth_of_a_second_holds_much_more_than_its_share_however_uneven_the_asking(
    rate: float, waits: list[float]
) -> None:
    limit, now = Limit(rate, 0.0), 0.0
    came: list[tuple[float, int]] = []
    for wait in waits:
        now += wait
        room = limit.available(now)
        limit.take(room, now)
        came.append((now, room))
    for begin, _ in came:
        within = sum(count for at, count in came if begin <= at < begin + 0.1)
        assert within <= rate * (0.1 * FASTER + SMOOTH_S) + 2


def test_a_stall_is_made_up_for_if_it_was_short() -> None:
    limit, now, count = Limit(1000.0, 0.0), 0.0, 0
    while now < 10:
        now += 0.08 if 5.0 < now < 5.001 else 0.001
        room = limit.available(now)
        limit.take(room, now)
        count += room
    assert abs(count - 1000 * (now - CATCH_UP_S)) <= 110


def test_the_narrowest_of_nested_limits_counts() -> None:
    wide, narrow = Limit(None, 0.0), Limit(10.0, 0.0)
    assert free([wide], 1.0) == UNLIMITED
    assert free([wide, narrow], 5.0) <= 2


def test_a_rate_changes_at_once_without_a_burst() -> None:
    limit, now = Limit(100.0, 0.0), 0.0
    while now < 5:
        now += 0.001
        limit.take(limit.available(now), now)
    limit.set_rate(1000.0, now)
    assert limit.available(now) <= 20
    count, until = 0, now + 1
    while now < until:
        now += 0.001
        room = limit.available(now)
        limit.take(room, now)
        count += room
    assert 950 <= count <= 1130


def test_a_throttled_limit_is_cut_once_a_second_and_climbs_back() -> None:
    limit = Limit(1000.0, 0.0)
    for _ in range(50):
        limit.throttled(10.0)
    assert limit.effective() == 700.0
    limit.throttled(12.0, retry_after_s=3.0)
    assert limit.available(14.9) == 0
    now = 15.0
    for _ in range(40):
        now += 1.0
        limit.climb(now)
    assert limit.effective() == 1000.0


def test_a_limit_that_nobody_set_is_learned_from_what_went_through() -> None:
    limit = Limit(None, 0.0)
    limit.take(300, 0.5)
    limit.throttled(0.5)
    assert math.isclose(limit.effective() or 0, 420.0)


@given(rates)
def test_the_pair_of_a_rate(rate: float) -> None:
    buckets = pair(rate)
    assert math.isclose(1 / buckets.lasting.interval_s, rate)
    assert math.isclose(1 / buckets.smooth.interval_s, rate * FASTER)
