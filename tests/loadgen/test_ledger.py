"""The simulator's measure of how far arrivals were ahead of a limit."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loadgen.provider.ledger import most_ahead_s

RATE = 100.0


@given(st.lists(st.floats(0, 0.05), min_size=1, max_size=30))
def test_it_is_the_worst_of_all_spans(waits):
    times = [sum(waits[:count]) for count in range(1, len(waits) + 1)]
    spans = [(first, last) for last in range(len(times)) for first in range(last + 1)]
    worst = max((last - first + 1) / RATE - (times[last] - times[first]) for first, last in spans)
    assert most_ahead_s(times, RATE) == pytest.approx(worst, abs=1e-9)


def test_evenly_sent_nothing_is_more_than_one_message_ahead():
    assert most_ahead_s([number / RATE for number in range(500)], RATE) == pytest.approx(1 / RATE)
    assert most_ahead_s([], RATE) == 0
