"""What follows from outcomes, failure rates, quiet hours and orders: plain values in, plain values out."""

from datetime import datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flows.identity import HashKey
from flows.sending.breaker import FIRST_PAUSE_S, IN_A_ROW, LEAST_ANSWERS, PROBES, Breaker
from flows.sending.caps import Caps
from flows.sending.control import Order, Orders, encode_order
from flows.sending.decisions import Policy, Verdict, backoff_s, decide
from flows.sending.outgoing import Reaction, Refused, Taken, Unknown
from flows.sending.quiet_hours import allowed_at
from flows.sending.stop_rules import FailureRate
from flows.sending.suppression import Suppressions, changes_of, encode_change
from flows.sending.watermark import Watermark
from schemas.campaign import FrequencyCap, QuietHours, StopRule
from schemas.times import DAY_MS, HOUR_MS

POLICY = Policy(attempts=3, within_s=60, first_wait_s=1, longest_wait_s=30, falls_back=True)
ALONE = POLICY._replace(falls_back=False)


@pytest.mark.parametrize(
    ("reaction", "tries", "policy", "verdict"),
    [
        (Reaction.RETRY, 1, POLICY, Verdict.RETRY),
        (Reaction.THROTTLED, 2, POLICY, Verdict.RETRY),
        (Reaction.RETRY, 3, POLICY, Verdict.FALL_BACK),
        (Reaction.RETRY, 3, ALONE, Verdict.GIVE_UP),
        (Reaction.FALLBACK, 1, POLICY, Verdict.FALL_BACK),
        (Reaction.FALLBACK, 1, ALONE, Verdict.GIVE_UP),
        (Reaction.SUPPRESS, 1, POLICY, Verdict.FALL_BACK),
        (Reaction.SUPPRESS, 1, ALONE, Verdict.GIVE_UP),
        (Reaction.FAIL, 1, POLICY, Verdict.GIVE_UP),
        (Reaction.STOP, 9, POLICY, Verdict.RETRY),
        (Reaction.PAGE, 9, POLICY, Verdict.RETRY),
    ],
)
def test_each_reaction_has_its_verdict(reaction: Reaction, tries: int, policy: Policy, verdict: Verdict) -> None:
    assert decide(Refused("x", reaction), tries, 1.0, policy, 0.5).verdict is verdict


def test_age_ends_retries_and_unknown_outcomes_are_doubts() -> None:
    assert decide(Refused("x", Reaction.RETRY), 1, 61.0, ALONE, 0.5).verdict is Verdict.GIVE_UP
    assert decide(Unknown("timeout"), 1, 0.0, POLICY, 0.5).verdict is Verdict.DOUBT
    assert decide(Taken("id"), 1, 0.0, POLICY, 0.5).verdict is Verdict.TAKEN


@given(st.integers(1, 300), st.floats(0, 1))
def test_jitter_is_full_and_bounded(tries: int, chance: float) -> None:
    assert 0 <= backoff_s(tries, 1.0, 30.0, chance) <= min(2.0 ** min(tries - 1, 60), 30.0)


def test_retry_after_is_obeyed() -> None:
    assert decide(Refused("429", Reaction.THROTTLED, retry_after_s=20), 1, 0, POLICY, 0.0).wait_s == 20


def _fail(breaker: Breaker, now: float, count: int = LEAST_ANSWERS) -> None:
    for _ in range(count):
        breaker.answered(True, now)


def test_a_breaker_opens_on_its_failure_rate_and_closes_after_good_probes() -> None:
    breaker = Breaker()
    _fail(breaker, 100.0, LEAST_ANSWERS - 1)
    assert breaker.room(100.0) is None
    _fail(breaker, 100.0, 1)
    assert breaker.room(100.0) == 0
    now = 100.0 + FIRST_PAUSE_S
    assert breaker.room(now) == PROBES
    breaker.sent(PROBES)
    assert breaker.room(now) == 0
    for _ in range(PROBES):
        breaker.answered(False, now)
    assert breaker.room(now) is None


def test_a_failed_probe_opens_it_for_twice_as_long() -> None:
    breaker = Breaker()
    _fail(breaker, 100.0)
    assert breaker.room(102.0) == PROBES
    breaker.answered(True, 102.0)
    assert breaker.room(102.0 + 2 * FIRST_PAUSE_S - 0.1) == 0
    assert breaker.room(102.0 + 2 * FIRST_PAUSE_S) == PROBES


def test_many_good_answers_outweigh_some_failures() -> None:
    breaker = Breaker()
    for _ in range(100):
        breaker.answered(False, 50.0)
    _fail(breaker, 51.0)
    assert breaker.room(51.0) is None


def test_an_outage_is_seen_by_failures_in_a_row_however_much_went_well_before() -> None:
    breaker = Breaker()
    for _ in range(10_000):
        breaker.answered(False, 50.0)
    _fail(breaker, 51.0, IN_A_ROW - 1)
    breaker.answered(False, 51.0)
    _fail(breaker, 51.0, IN_A_ROW - 1)
    assert breaker.room(51.0) is None
    _fail(breaker, 51.0, 1)
    assert breaker.room(51.0) == 0


def test_a_stop_rule_says_why() -> None:
    rate = FailureRate(StopRule(failures=0.3, over=10))
    verdicts = [rate.add(code) for code in ["", "131026", "", "131026", "", "131026", "", "", "", "131026"]]
    assert verdicts[:-1] == [""] * 9, "nothing is said of fewer than ten"
    assert verdicts[-1] == "4 of the last 10 failed, 4 of them with 131026; the limit is 30%"


def _ms(text: str) -> int:
    return int(datetime.fromisoformat(text).timestamp() * 1000)


NIGHT = QuietHours(begin="21:00", end="08:00", timezone="Europe/Berlin")


@pytest.mark.parametrize(
    ("now", "zone", "allowed"),
    [
        ("2026-11-21T12:00:00+01:00", "Europe/Berlin", "2026-11-21T12:00:00+01:00"),
        ("2026-11-21T22:00:00+01:00", "Europe/Berlin", "2026-11-22T08:00:00+01:00"),
        ("2026-11-21T03:00:00+01:00", "", "2026-11-21T08:00:00+01:00"),
        ("2026-11-21T12:00:00+01:00", "Asia/Tokyo", "2026-11-21T12:00:00+01:00"),
        ("2026-11-21T14:00:00+01:00", "Asia/Tokyo", "2026-11-22T08:00:00+09:00"),
        ("2026-03-29T01:30:00+01:00", "Europe/Berlin", "2026-03-29T08:00:00+02:00"),
        ("2026-10-25T02:30:00+02:00", "Europe/Berlin", "2026-10-25T08:00:00+01:00"),
    ],
)
def test_quiet_hours_are_where_the_person_is_also_when_clocks_change(now: str, zone: str, allowed: str) -> None:
    assert allowed_at(NIGHT, zone, _ms(now)) == _ms(allowed)


zones = st.sampled_from(["Europe/Berlin", "Asia/Tokyo", "America/St_Johns", "Australia/Lord_Howe", "UTC"])


@given(st.integers(1_700_000_000_000, 1_900_000_000_000), zones, st.integers(0, 1439), st.integers(0, 1439))
def test_the_moment_that_quiet_hours_give_is_not_quiet(now_ms: int, zone: str, begin: int, end: int) -> None:
    if begin == end:
        return
    quiet = QuietHours(begin=f"{begin // 60:02}:{begin % 60:02}", end=f"{end // 60:02}:{end % 60:02}")
    at = allowed_at(quiet, zone, now_ms)
    assert now_ms <= at <= now_ms + 26 * 3_600_000
    again = allowed_at(quiet, zone, at)
    assert again - at <= 2 * 3_600_000, "but for an hour that a clock skips or shows twice"


@given(st.permutations(list(range(0, 60, 3))), st.integers(0, 19))
def test_the_watermark_is_the_first_open_message_whatever_the_order(order: list[int], count: int) -> None:
    mark = Watermark(0, 3)
    for seq in order[:count]:
        mark.confirm(seq)
        mark.confirm(seq)
    left = sorted(order[count:])
    assert mark.low == left[0]
    assert all(mark.confirmed(seq) for seq in order[:count])


def test_the_latest_order_holds() -> None:
    orders = Orders()
    made = [
        Order(at=1, action="rate", campaign_id="a", per_s=5),
        Order(at=2, action="pause", campaign_id="a", why="lunch"),
        Order(at=3, action="kill", provider="twilio"),
        Order(at=4, action="kill", channel="email"),
        Order(at=5, action="rate", campaign_id="a", per_s=7),
    ]
    assert orders.read(b"".join(map(encode_order, made)) + b"nonsense\n") == 5
    assert orders.rates == {"a": 7}
    assert orders.paused == {"a": "lunch"}
    assert orders.kills("twilio", "sms")
    assert orders.kills("sendgrid", "email")
    assert not orders.kills("sendgrid", "sms")
    orders.read(encode_order(Order(at=6, action="resume", campaign_id="a")))
    orders.read(encode_order(Order(at=7, action="lift", provider="twilio")))
    assert not orders.paused
    assert not orders.kills("twilio", "sms")


written = st.tuples(st.integers(0, 9 * 24), st.sampled_from("ab"), st.integers(0, 3))


@given(st.lists(written, max_size=30).map(sorted), st.integers(0, 24))
def test_a_cap_counts_the_other_messages_of_its_span_each_once(before: list[tuple[int, str, int]], later: int) -> None:
    """However much of what is older it forgot; hours."""
    caps = Caps(DAY_MS)
    for hour, campaign, seq in before:
        caps.add("+491701", campaign, seq, hour * HOUR_MS)
    now = max((hour for hour, _, _ in before), default=0) + later
    latest = {(campaign, seq): hour for hour, campaign, seq in before}
    others = [hour for message, hour in latest.items() if message != ("a", 0) and hour > now - 24]
    for messages in range(1, 9):
        cap = FrequencyCap(messages=messages, per="1d")
        assert caps.full("whatsapp:491701", "a", 0, cap, now * HOUR_MS) == (len(others) >= messages)
    assert not caps.full("+491702", "a", 0, FrequencyCap(messages=1, per="1d"), now * HOUR_MS)


def test_caps_forget_who_was_written_to_before_their_span() -> None:
    caps = Caps(DAY_MS)
    for person in range(100):
        caps.add(str(person), "a", person, person * DAY_MS // 10)
    assert len(caps) <= 21


OLD, NEW = HashKey(1, bytes(16)), HashKey(2, bytes(range(16)))


def test_a_suppression_holds_by_channel_for_any_spelling_and_under_an_older_key() -> None:
    before = Suppressions([OLD])
    changes = changes_of(["+49 170", "# a comment", "", "ADA@example.com"], before, 1, "sms", "asked")
    later = Suppressions([NEW, OLD])
    later.read(b"".join(map(encode_change, changes)) + b'{"recipient":"zz"}\n')
    assert len(later) == 2
    assert later.holds("ada@EXAMPLE.com", "sms")
    assert not later.holds("ada@example.com", "email")
    later.take(before.change(2, "remove", "ada@example.com", "sms", ""))
    assert not later.holds("ada@example.com", "sms")


def test_a_suppression_of_all_channels_holds_for_each_and_keeps_no_raw_address() -> None:
    held = Suppressions([OLD])
    change = held.change(1, "add", "+491701234567", "", "complained")
    held.take(change)
    assert held.holds("491701234567", "whatsapp")
    assert b"4917" not in encode_change(change)
