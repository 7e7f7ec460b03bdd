"""The plain functions behind the page: verdict, pace, rates, comparison. Values in, values out."""

import re
from collections import Counter
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from api.live.ops_lines import unusual
from api.live.ops_verdict import judge_operations
from api.live.pace import Pace, last_word, pace_of
from api.live.recent import STEP_MS, Readings, rates, rates_together, recent_of, steps_until
from api.live.snapshot import Exactness
from api.live.verdict import Facts, ProviderNow, judge
from api.reports.comparison import Curve, compare
from api.reports.latency import Cells, latency_of
from schemas.latency import LATENCY_BOUNDS_MS

NOW = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)
NOW_MS = int(NOW.timestamp() * 1000)


def facts(**changes: Any) -> Facts:
    calm = {
        "pace": Pace(phase="running", done_at=NOW), "audience": 1_000, "sendable": 900, "sent": 450,
        "delivered_share": 0.959, "failed_share": 0.02, "read_share": 0.4, "queued": 450, "gap": 0, "wrong_checks": 0,
        "failing_now": 0.02, "usual_failing": 0.05, "providers": [ProviderNow("a", 0.98, 100)], "p95_ms": 5_000,
        "sla_ms": 10_000, "sla_missed_s": 0.0,
    }  # fmt: skip
    return Facts(**calm | changes)


def test_a_calm_campaign_is_on_track() -> None:
    verdict = judge(facts())
    assert (verdict.state, verdict.owner) == ("ok", "")
    assert verdict.sentence == "50% sent, 95.9% delivered, done about {done_at}."


@pytest.mark.parametrize(
    ("changes", "state"),
    [
        ({"gap": 3}, "act"),
        ({"wrong_checks": 1}, "act"),
        ({"pace": Pace(phase="silent")}, "act"),
        ({"providers": [ProviderNow("b", 0.0, 50)]}, "act"),
        ({"failing_now": 0.16}, "act"),
        ({"sla_missed_s": 300.0}, "act"),
        ({"pace": Pace(phase="paused")}, "paused"),
        ({"pace": Pace(phase="done")}, "done"),
        ({"pace": Pace(phase="ready")}, "ready"),
        ({"pace": Pace(phase="running", done_at=NOW, late_share=0.2)}, "watch"),
        ({"providers": [ProviderNow("b", 0.8, 50)]}, "watch"),
        ({"p95_ms": 20_000}, "watch"),
        ({"providers": [ProviderNow("b", 0.0, 5)]}, "ok"),
    ],
)
def test_each_rule_speaks_and_red_names_who_acts(changes: dict[str, Any], state: str) -> None:
    """Five decisions of a provider are too few to call it broken."""
    verdict = judge(facts(**changes))
    assert verdict.state == state
    assert bool(verdict.owner) == (state == "act")
    assert len(verdict.sentence) <= 70


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"pace": Pace(phase="done")},
        {"pace": Pace(phase="done"), "read_share": None},
        {"pace": Pace(phase="paused")},
        {"pace": Pace(phase="running", done_at=NOW, late_share=0.2)},
        {"providers": [ProviderNow("b", 0.8, 50)]},
        {"p95_ms": 20_000},
    ],
)
def test_what_is_not_red_says_in_its_second_line_who_acts_or_that_nobody_must(changes: dict[str, Any]) -> None:
    verdict = judge(facts(**changes))
    assert not verdict.owner
    assert re.search("obody has to act|messaging ops moves|until somebody resumes it", verdict.more), verdict.more


def test_without_a_plan_there_is_no_gap_and_no_share_but_a_count() -> None:
    without = {"audience": None, "sendable": None, "gap": None}
    assert judge(facts(**without)).sentence == "450 sent, 95.9% delivered, done about {done_at}."
    assert judge(facts(**without, pace=Pace(phase="ready"))).sentence == "No plan is known."


def test_what_it_was_paused_for_is_said() -> None:
    paused = judge(facts(pace=Pace(phase="paused", slower_because="paused: wrong price")))
    assert paused.more == "Nothing more is sent until somebody resumes it: wrong price."


def test_the_first_rule_that_matches_wins() -> None:
    assert judge(facts(gap=1, pace=Pace(phase="paused"))).state == "act"


def seconds(count: int, achieved: float = 100.0) -> list[dict[str, Any]]:
    return [{"at": NOW - timedelta(seconds=count - place), "achieved_per_s": achieved} for place in range(count)]


def ends(**changes: Any) -> dict[str, Any]:
    return {
        "first_at": NOW - timedelta(seconds=60), "last_at": NOW, "allowed_per_s": 120.0, "achieved_per_s": 100.0,
        "slower_because": "", "queue": 500, "in_flight": 1,
    } | changes  # fmt: skip


def pace(told: dict[str, Any] | None, **changes: Any) -> Pace:
    arguments = {"sent": 6_000, "queued": 3_000, "audience": 9_000, "active_at_ms": None, "now_ms": NOW_MS}
    return pace_of(seconds(60), told, **arguments | changes)


def test_what_is_left_at_the_current_pace_says_when_it_is_done() -> None:
    found = pace(ends())
    assert found.phase == "running"
    assert found.done_at == NOW + timedelta(seconds=30)
    assert found.done_from is not None
    assert found.done_to is not None
    assert found.done_from <= found.done_at <= found.done_to


def test_phases_follow_the_senders_word_and_silence() -> None:
    assert pace(ends(slower_because="paused: wrong price")).phase == "paused"
    assert pace(ends(slower_because="paused")).phase == "paused"
    assert pace(ends(slower_because="provider: all connections wait")).phase == "running"
    assert pace(ends(queue=0, in_flight=0)).phase == "done"
    long_ago = ends(last_at=NOW - timedelta(seconds=40))
    assert pace(long_ago).phase == "silent"
    assert pace(long_ago, behind_ms=30_000).phase == "running"
    assert pace(None).phase == "ready"
    assert pace(None, active_at_ms=NOW_MS - 1_000).phase == "running"
    assert pace(None, active_at_ms=NOW_MS - 600_000).phase == "done"


def test_what_the_sender_said_since_its_ends_were_read_is_its_last_word() -> None:
    old = ends(last_at=NOW - timedelta(seconds=9))
    row = {
        "at": NOW,
        "allowed_per_s": 1.0,
        "achieved_per_s": 0.0,
        "slower_because": "paused",
        "queue": 7,
        "in_flight": 0,
    }
    found = last_word(old, [{**row, "at": NOW - timedelta(seconds=1), "slower_because": ""}, row])
    assert found == {**row, "first_at": old["first_at"], "last_at": NOW}
    assert last_word(None, [row]) == {**row, "first_at": NOW, "last_at": NOW}
    assert last_word(old, []) == old
    assert last_word(None, []) is None


@given(st.lists(st.floats(), min_size=1, max_size=40), st.integers(1, 2**63))
def test_any_pace_that_a_sender_tells_has_an_end_within_a_year_and_in_order(achieved: list[float], queued: int) -> None:
    """Records come from anybody's sender: 1e-9 a second led to the year 31,690,708."""
    told = [row | {"achieved_per_s": rate} for row, rate in zip(seconds(len(achieved)), achieved, strict=True)]
    found = pace_of(
        told, ends(), sent=6_000, queued=queued, audience=9_000, active_at_ms=None, now_ms=NOW_MS
    )  # fmt: skip
    assert found.model_dump_json()
    if found.done_at is not None:
        assert found.done_from is not None
        assert found.done_to is not None
        assert NOW <= found.done_from <= found.done_at <= found.done_to <= NOW + timedelta(days=366)


@given(st.lists(st.integers(0, 10_000), min_size=2, max_size=40), st.integers(1_000, 9_000))
def test_rates_add_up_to_what_was_counted(growths: list[int], apart_ms: int) -> None:
    """Whenever the readings came: between two that are near, nothing is lost or made up."""
    steps = steps_until(NOW_MS)
    first = steps[5] + 777
    figures = np.cumsum(growths)
    readings = {first + place * apart_ms: {"sent": int(figure)} for place, figure in enumerate(figures)}
    found = rates(readings, "sent", steps)
    inside = [rate for rate in found if rate is not None]
    assert sum(inside) * STEP_MS / 1000 <= figures[-1] - figures[0] + 0.05 * STEP_MS / 1000 * len(steps)
    assert all(rate >= 0 for rate in inside)


@given(st.data())
def test_rates_of_several_campaigns_are_their_own_added_whichever_were_read_when(data: st.DataObject) -> None:
    """Never more than they can do together; exact where all were read; one that awaits its turn is no standstill."""
    steps = steps_until(NOW_MS)[-30:]
    growths = data.draw(st.lists(st.lists(st.integers(0, 10_000), min_size=30, max_size=30), min_size=1, max_size=4))
    campaigns: list[Readings] = []
    for grown in growths:
        counted = dict(zip(steps, (5_000_000 + figure for figure in np.cumsum(grown)), strict=True))
        read = data.draw(st.sets(st.sampled_from(steps)))
        campaigns.append({at: {"sent": int(figure)} for at, figure in counted.items() if at in read})
    found = rates_together(campaigns, "sent", steps)
    most = sum(map(max, growths)) / 5
    for place, rate in enumerate(found[1:], 1):
        assert rate is None or 0 <= rate <= most + 0.1
        ends = {steps[place - 1], steps[place]}
        if all(ends <= readings.keys() for readings in campaigns):
            assert rate == pytest.approx(sum(grown[place] for grown in growths) / 5, abs=0.05)
    newest = max((at for readings in campaigns for at in readings), default=0)
    awaited = [max(readings) for readings in campaigns if readings and newest - max(readings) <= 30_000]
    assert all(rate is None for step, rate in zip(steps, found, strict=True) if step > min(awaited, default=0))


def test_readings_far_apart_leave_a_gap() -> None:
    steps = steps_until(NOW_MS)
    found = rates({steps[0]: {"sent": 0}, steps[100]: {"sent": 10_000}}, "sent", steps)
    assert set(found[1:100]) == {None}
    assert rates({}, "sent", steps) == [None] * len(steps)


def test_a_young_cohort_is_compared_with_what_was_usual_for_one_as_young() -> None:
    """Half were read after an hour, all after a day; so for messages sent an hour ago half is usual."""
    hour, day = 3_600_000.0, 86_400_000.0
    curve = Curve("old", "Old", {"read": np.array([hour, day])}, {"read": np.array([0.5, 1.0])})
    found = compare([curve], [(NOW_MS - 2 * hour, 100)], NOW_MS)
    [read] = [usual for usual in found.usual if usual.status == "read"]
    assert (read.lowest, read.highest, read.settles_highest) == pytest.approx((0.5, 0.5, 1.0))
    assert read.maturing
    [young] = [usual for usual in compare([curve], [(NOW_MS - 60_000.0, 100)], NOW_MS).usual if usual.status == "read"]
    assert young.highest == 0.0
    assert compare([], [(0.0, 1)], NOW_MS).usual == []


def test_percentiles_are_the_cells_of_their_ranks() -> None:
    found = latency_of({"delivered": [(100, 50), (1_000, 45), (10_000, 4), (100_000, 1)]}, 10_000, exact=True)
    [told] = found.percentiles
    assert (told.p50_ms, told.p95_ms, told.p99_ms) == (100, 1_000, 10_000)
    assert found.within_sla == 0.95


@given(st.lists(st.integers(0, 100_000), min_size=1), st.integers(1, 100_000))
def test_the_share_within_the_promised_time_is_at_least_what_is_told(took_ms: list[int], promised_ms: int) -> None:
    """Low by no more than the messages of one cell."""
    cells = Counter(max(bound for bound in LATENCY_BOUNDS_MS if bound <= took) for took in took_ms)
    told = latency_of({"delivered": sorted(cells.items())}, promised_ms, exact=True).within_sla
    within = sum(took <= promised_ms for took in took_ms) / len(took_ms)
    of_its_cell = cells[max(bound for bound in LATENCY_BOUNDS_MS if bound <= promised_ms)] / len(took_ms)
    assert told is not None
    assert within - of_its_cell - 1e-6 <= told <= within + 1e-6


def test_a_rate_that_leaves_its_range_is_ringed_once() -> None:
    calm: list[float | None] = [100.0 + place % 3 for place in range(100)]
    assert unusual(calm) == []
    assert unusual([*calm, *[40.0] * 10]) == [100]
    assert unusual([None] * 200) == []


def test_flows_that_fell_silent_are_red_and_none_is_quiet() -> None:
    fine = Exactness(exact=True, checked_at=NOW, seconds=1, wrong=[])
    assert judge_operations([], [], fine, NOW - timedelta(seconds=30), NOW_MS).state == "act"
    assert judge_operations([], [], fine, None, NOW_MS).state == "ready"
    assert judge_operations([], [], fine, NOW, NOW_MS).state == "ok"
    assert judge_operations([], [], fine.model_copy(update={"wrong": ["totals"]}), NOW, NOW_MS).state == "act"


def test_time_to_deliver_is_split_between_us_the_provider_and_the_phone() -> None:
    """Medians one behind the other; a stage that few report, or that comes too late, goes with the next."""
    whole = {"accepted": [(100, 20)], "sent": [(750, 20)], "delivered": [(2_000, 20)]}
    assert split(whole) == {"ours": 100, "provider": 650, "phone": 1_250}
    assert split(whole | {"sent": [(750, 17)]}) == {"ours": 100, "phone": 1_900}
    assert split(whole | {"sent": [(2_200, 20)]}) == {"ours": 100, "phone": 1_900}
    assert split({"delivered": [(2_000, 20)]}) == split({"accepted": [(100, 20)]}) == {}


def split(cells: Cells) -> dict[str, int]:
    return {part.whose: part.ms for part in latency_of(cells, None, exact=True).parts}


def test_what_is_marked_are_limits_and_what_stops_a_campaign() -> None:
    """A machine that is busy now and then would crowd them out: six marks are shown."""
    told = [(80, ""), (80, "cpu"), (80, ""), (120, "producer"), (120, "paused: wrong price"), (120, "cpu"), (120, "")]
    rows = [
        {"at": NOW - timedelta(seconds=60 - place), "allowed_per_s": allowed, "slower_because": because}
        for place, (allowed, because) in enumerate(told)
    ]
    marks = recent_of({}, rows, NOW_MS).events
    assert [mark.what for mark in marks] == ["limit 80 → 120", "paused: wrong price", "goes on"]
