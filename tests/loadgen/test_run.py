"""A run follows from its plan and from nothing else, and has in it all that makes counting hard."""

from collections import Counter, defaultdict
from datetime import UTC, datetime

import msgspec
import pytest

from loadgen.arrivals import Typesetter, chunks
from loadgen.oracle import Oracle
from loadgen.plan import WINDOW_MS, Plan, default_start_ms
from loadgen.run import steps
from schemas.errors import UsageError
from schemas.events import StatusEvent
from schemas.times import HOUR_MS
from tests.loadgen.conftest import START_MS
from tests.loadgen.recount import Recount

PLAN = Plan(messages=4_000, start_ms=START_MS, progress_ms=600_000)


def _bytes_by_partition(plan, into, count, **cut):
    typesetter = Typesetter(plan, into, lambda _topic: 3)
    topics = defaultdict(bytes)
    for step in steps(plan, into, count):
        for chunk in chunks(typesetter.lines(step), **cut):
            for topic, partition, lines in chunk.records:
                topics[topic, partition] += lines
    return dict(topics)


@pytest.mark.parametrize("into", ["webhook", "lanes"])
def test_same_plan_same_bytes_however_it_is_cut(into):
    """In one step or seven, in chunks by time or by events, with few or many lines a record."""
    plan = Plan(messages=1_500, start_ms=START_MS, progress_ms=60_000)
    whole = _bytes_by_partition(plan, into, 1)
    assert whole == _bytes_by_partition(plan, into, 7)
    assert whole == _bytes_by_partition(plan, into, 3, slice_ms=60_000)
    assert whole == _bytes_by_partition(plan, into, 2, events_per_chunk=100, lines_per_record=1)


def test_figures_do_not_depend_on_the_steps():
    def expected(count):
        oracle = Oracle(PLAN)
        for step in steps(PLAN, "webhook", count):
            oracle.add(step)
        return oracle.expected()

    assert msgspec.to_builtins(expected(1)) == msgspec.to_builtins(expected(5))


def test_another_seed_is_another_run(play):
    other = msgspec.structs.replace(PLAN, seed=2)
    assert play(PLAN, "webhook")[0]["webhook"] != play(other, "webhook")[0]["webhook"]


def test_chunks_come_in_order_of_arrival_and_end_with_the_run():
    typesetter = Typesetter(PLAN, "webhook", lambda _topic: 2)
    times = [
        chunk.at_ms for step in steps(PLAN, "webhook", 4) for chunk in chunks(typesetter.lines(step), slice_ms=60_000)
    ]
    assert times == sorted(times)
    assert times[-1] == PLAN.end_ms


def test_repeats_are_a_tenth_to_a_twentieth_and_of_every_kind(play):
    """Of the repeats some are our own replays, most the provider's, a few name another time, half of these earlier."""
    plan = Plan(messages=40_000, start_ms=START_MS, progress_ms=600_000)
    lines, expected = play(plan, "lanes")
    assert 0.05 <= expected.repeats / expected.events_in <= 0.10

    recount = Recount(lines, plan.end_ms)
    reports = defaultdict(list)
    for known, event in zip(recount.known, recount.events, strict=False):
        reports[known.identity].append(event)
    again = [(event, of[0]) for of in reports.values() for event in of[1:]]
    kinds = Counter(_kind(event, first) for event, first in again)
    assert 0.10 < kinds["replay"] / len(again) < 0.40
    assert kinds["repeat"] / len(again) > 0.5
    assert 0.02 < (kinds["earlier"] + kinds["later"]) / len(again) < 0.06
    assert 0.3 < kinds["earlier"] / (kinds["earlier"] + kinds["later"]) < 0.7
    assert expected.must_pass < 0.05 * expected.repeats_in_window


def _kind(event: StatusEvent, first: StatusEvent) -> str:
    if event == first:
        return "replay"
    if event.event_time == first.event_time:
        assert event.receipt_id != first.receipt_id
        assert event.received_at > first.received_at
        return "repeat"
    return "earlier" if event.event_time < first.event_time else "later"


def test_failures_are_told_again_with_another_code(play):
    """That is another event, and the message counts under both reasons."""
    lines, expected = play(PLAN, "lanes")
    figures = expected.campaigns["autumn-sale"]
    assert sum(figures.failures.values()) > figures.counts["failed_ever"]
    codes = defaultdict(set)
    for event in Recount(lines, PLAN.end_ms).known:
        if event.status == "failed":
            codes[event.campaign, event.key, event.attempt].add(event.error_code)
    assert any(len(of) > 1 for of in codes.values())


@pytest.fixture(scope="module")
def recount(play):
    return Recount(play(PLAN, "lanes")[0], PLAN.end_ms)


def test_a_campaign_crosses_the_months_end(recount):
    """The same campaign is sent in two months, and some messages in both."""
    months = defaultdict(set)
    for event in recount.known:
        if event.campaign == "autumn-sale" and event.sent_at:
            months[event.key].add(datetime.fromtimestamp(event.sent_at / 1000, UTC).month)
    assert {10} in months.values()
    assert {11} in months.values()
    assert {10, 11} in months.values()


def test_everything_arrives_before_the_end_and_little_is_older_than_the_window(recount):
    assert all(event.received_at <= PLAN.end_ms for event in recount.events)
    old = [event for event in recount.events if event.event_time < PLAN.end_ms - WINDOW_MS]
    assert 0 < len(old) < 0.01 * len(recount.events)
    assert all(event.received_at >= PLAN.start_ms for event in old)


def test_what_makes_counting_hard_is_there(recount):
    """Second attempts, deliveries after a failure, reads without a delivery, late events, unknown statuses."""
    by_message = defaultdict(set)
    for event in recount.known:
        by_message[event.campaign, event.key].add((event.attempt, event.status))
    assert any({(1, "failed"), (2, "delivered")} <= had for had in by_message.values())
    assert any({(1, "failed"), (1, "delivered")} <= had for had in by_message.values())
    assert any((1, "read") in had and (1, "delivered") not in had for had in by_message.values())
    assert {status for had in by_message.values() for _, status in had} >= {
        "accepted", "rejected", "sent", "deferred", "delivered", "read", "clicked", "failed", "unsubscribed", "unknown",
    }  # fmt: skip
    assert any(event.received_at - event.event_time > HOUR_MS / 2 for event in recount.events)
    assert any(event.sent_at is not None and event.event_time < event.sent_at for event in recount.known)
    assert any(event.sent_at is None for event in recount.known if event.own)


def test_keys_are_dense_and_the_other_team_numbers_nothing(recount):
    keys = {record.message_key for record in recount.records if getattr(record, "message_key", None) is not None}
    assert min(keys) < 10
    assert max(keys) < PLAN.messages
    theirs = [record for record in recount.records if record.campaign_id == "night-survey"]
    assert theirs
    assert all(getattr(record, "message_key", None) is None for record in theirs)
    ids = Counter(record.provider_message_id for record in theirs if hasattr(record, "provider_message_id"))
    assert max(ids.values()) > 1


def test_some_statuses_without_ids_come_before_their_outbound_record():
    typesetter = Typesetter(PLAN, "lanes", lambda _topic: 1)
    arrived = {}
    overtakers = 0
    for step in steps(PLAN, "lanes"):
        for line in typesetter.lines(step).rows(named=True):
            try:
                value = msgspec.json.decode(line["line"])
            except msgspec.DecodeError:
                continue
            provider_id = value.get("provider_message_id")
            if line["topic"] == "outbound" and provider_id:
                arrived.setdefault(provider_id, line["arrives_at"])
                overtakers += arrived[provider_id] < 0
            elif provider_id and value.get("campaign_id") is None:
                arrived.setdefault(provider_id, -1)
    assert overtakers > 0


def test_default_start_is_the_last_evening_of_the_month_before():
    def start(*date):
        now = datetime(*date, tzinfo=UTC)
        return datetime.fromtimestamp(default_start_ms(int(now.timestamp() * 1000)) / 1000, UTC)

    assert start(2026, 11, 21) == datetime(2026, 10, 31, 20, tzinfo=UTC)
    assert start(2027, 1, 1) == datetime(2026, 12, 31, 20, tzinfo=UTC)
    assert start(2028, 3, 5) == datetime(2028, 2, 29, 20, tzinfo=UTC)


@pytest.mark.parametrize("messages", [1, 2, 30])
@pytest.mark.parametrize("into", ["webhook", "lanes"])
def test_the_smallest_campaigns_work(play, into, messages):
    plan = Plan(messages=messages, start_ms=START_MS, progress_ms=600_000)
    lines, expected = play(plan, into)
    assert sum(expected.campaigns["autumn-sale"].accounting.values()) == messages
    assert expected.dead_letters == Recount(lines, plan.end_ms).dead


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"messages": 0}, "messages"),
        ({"start_ms": 1}, "start"),
        ({"start_ms": START_MS + 1}, "start"),
        ({"duration_ms": 6 * HOUR_MS}, "duration"),
        ({"campaign_id": "a~b"}, "campaign"),
        ({"campaign_id": "elsewhere"}, "campaign"),
        ({"statuses_per_body": 1.2}, "statuses per body"),
        ({"statuses_per_body": 5.5, "exact_bodies": True}, "statuses per body"),
        ({"statuses_per_body": float("nan")}, "statuses per body"),
    ],
)
def test_a_plan_that_cannot_be_carried_out_says_what_is_wrong(changes, says):
    with pytest.raises(UsageError, match=says):
        Plan(**{"start_ms": START_MS, **changes})
