"""The oracle's figures are those that the written lines add up to, whoever counts them."""

import msgspec
import pytest

from loadgen.plan import Plan
from tests.loadgen.conftest import START_MS
from tests.loadgen.recount import Recount

ROUGH = {"retimed": 0.05, "recoded": 0.3, "corrupt": 0.01, "repeated_bodies": 0.2, "delayed": 0.05}
"""More of everything that is hard."""


@pytest.mark.parametrize("into", ["webhook", "lanes"])
@pytest.mark.parametrize(("seed", "changes"), [(1, {}), (2, ROUGH), (3, ROUGH), (4, {"pilot": False, "corrupt": 0.0})])
def test_figures_equal_a_recount_of_the_lines(play, into, seed, changes):
    """Totals, timeline, latency, reasons, splits and accounting of both campaigns, event by event in plain Python."""
    plan = Plan(seed=seed, messages=2_500, start_ms=START_MS, progress_ms=600_000, **changes)
    lines, expected = play(plan, into)
    told = msgspec.json.decode(msgspec.json.encode(expected))
    recount = Recount(lines, plan.end_ms)

    assert told["dead_letters"] == recount.dead
    unmatched = {(*event.identity, event.event_time) for event in recount.known if event.campaign == "elsewhere"}
    assert told["unmatched"] == len(unmatched)
    assert told["events_in"] == len(recount.known) + recount.dead
    assert told["events_in"] == told["events_unique"] + told["repeats"] + told["dead_letters"]
    assert _without_zeros(told["passage"]) == _without_zeros(recount.passage())
    for name, figures in told["campaigns"].items():
        counted = recount.figures(name)
        for what, value in figures.items():
            assert _without_zeros(value) == _without_zeros(counted[what]), (name, what)


def test_accounting_adds_up_to_the_audience_and_knows_every_place(play):
    """With doubts, interruptions and refusals far more frequent than they should be."""
    plan = Plan(messages=6_000, start_ms=START_MS, progress_ms=600_000)
    _, expected = play(plan, "lanes")
    accounting = expected.campaigns["autumn-sale"].accounting
    assert sum(accounting.values()) == 6_000
    assert {"handed_over", "in_doubt", "rejected", "queued", "screened_suppressed"} <= accounting.keys()


def test_a_timeline_counts_each_message_once_a_status(play):
    """So that its sums are the totals, although repeats name other minutes."""
    plan = Plan(messages=2_500, start_ms=START_MS, progress_ms=600_000, retimed=0.2)
    _, expected = play(plan, "lanes")
    figures = expected.campaigns["autumn-sale"]
    for status in ("delivered", "read", "clicked"):
        assert sum(figures.timeline[status].values()) == figures.counts[status]
    assert expected.must_pass > 0


def _without_zeros(value):
    """Nothing counted and not mentioned are the same."""
    if not isinstance(value, dict):
        return value
    return {name: part for name, of in value.items() if (part := _without_zeros(of)) not in (0, {})}
