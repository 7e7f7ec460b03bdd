"""Campaigns sent to the simulator, whose ledger says who got what, when, and how often."""

import io
import time
from collections import Counter
from typing import Any

import msgspec
import pytest
from rich.console import Console

from flows.identity import hash_keys
from flows.sending.display import line, table
from flows.sending.ledger import Ledger
from flows.sending.suppression import Suppressions
from flows.sending.watch import read_all
from schemas.errors import TidemarkError
from schemas.events import DeadLetter, StatusEvent
from schemas.outbound import Accepted, Intent
from schemas.settings import Slice
from schemas.statuses import Lane, Status
from schemas.times import wall_clock
from schemas.topics import DLQ_SEND, OUTBOUND, SEND_SUPPRESSIONS
from tests.parts.redis import RedisServer, redis_server
from tests.sending.conftest import Office
from tests.sending.driving import half_asleep, order, sent, write

__all__ = ["redis_server"]


OUTAGE: dict[str, Any] = {
    "template": {"text": "Hello {{ name }}"},
    "consent": None,
    "rates": {"campaign": 400},
    "connection": {"url": "http://127.0.0.1:9/send"},
}
"""Of the first way, from the beginning."""


def by_sms(office: Office) -> dict[str, Any]:
    connection = {"account_sid": "AC1", "auth_token": "t", "callback": "https://us.example/webhooks/twilio"}
    return {
        "channel": "sms",
        "provider": "twilio",
        "connection": {"url": office.provider.url, **connection},
        "senders": [{"id": "+4930901820"}],
        "template": {"text": "SMS for {{ name }}"},
        "to": "phone",
    }


def test_everyone_once_and_the_checkpoint_at_the_end(office: Office) -> None:
    (summary,) = office.send(office.campaign("plain", 3_000))
    assert sorted(office.taken("plain")) == list(range(3_000))
    assert (summary.sent, summary.settled, summary.queued) == (3_000, 3_000, 0)
    (again,) = office.send(office.campaign("plain", 3_000))
    assert again.requests == 0, "a second start sends nothing"


def test_stopped_in_order_and_started_again_nothing_is_in_doubt(office: Office) -> None:
    planned = office.campaign("stopped", 3_000, rates={"campaign": 1000})
    running = office.start(planned)
    running.wait_for(sent(running, 600), "nothing sent")
    (first,) = running.stop()
    assert first.in_doubt == 0
    assert 0 < first.sent < 3_000
    ledger = Ledger("stopped")
    read_all(office.settings, OUTBOUND, ledger.add).close()
    assert ledger.doubts() == [], "what stood ready was told never to have left"
    (second,) = office.send(planned)
    assert Counter(office.taken("stopped")) == Counter(range(3_000))
    assert first.sent + second.sent == 3_000


def test_failures_that_pass_are_retried_and_those_that_stay_are_dead_letters(office: Office) -> None:
    office.provider.conduct(failures={"503": 0.2, "400": 0.05})
    retry = {"attempts": 12, "first_wait": "50ms", "longest_wait": "200ms"}
    (summary,) = office.send(office.campaign("failing", 1_000, retry=retry))
    taken = office.taken("failing")
    assert len(taken) == len(set(taken)) == summary.sent
    assert summary.sent + summary.failed == 1_000
    assert summary.failed > 0
    letters: list[DeadLetter] = []
    read_all(
        office.settings,
        DLQ_SEND,
        lambda value: letters.extend(msgspec.json.decode(line, type=DeadLetter) for line in value.splitlines()),
    ).close()
    assert len(letters) == summary.failed
    assert {letter.offset for letter in letters} == set(range(1_000)) - set(taken)
    assert {letter.reason for letter in letters} <= {"refused", "retries_exhausted"}


def test_a_stop_rule_pauses_the_campaign_and_says_why(office: Office) -> None:
    office.provider.conduct(failures={"400": 0.5})
    planned = office.campaign("stops", 3_000, stop={"failures": 0.3, "over": 100}, rates={"campaign": 1000})
    running = office.start(planned)
    run = running.sender.sessions[0].run
    running.wait_for(lambda: bool(run.paused), "not paused")
    why = run.paused
    (summary,) = running.stop()
    assert "of the last 100 failed" in why
    assert "with 400" in why
    assert summary.requests < 1_000
    assert running.exit_code == 4
    again = office.start(planned)
    assert again.sender.sessions[0].run.paused, "still paused after a restart"
    office.provider.conduct(failures={})
    order(office, action="resume", campaign_id="stops")
    again.wait_for(sent(again, 100), "not resumed")
    again.stop()


def test_an_outage_opens_the_breaker_and_everything_is_sent_in_the_end(office: Office) -> None:
    planned = office.campaign(
        "outage", 2_000, rates={"campaign": 800}, retry={"attempts": 10, "first_wait": "200ms", "longest_wait": "1s"}
    )
    running = office.start(planned)
    running.wait_for(sent(running, 200), "nothing sent")
    office.provider.conduct(outage="refuse", outage_s=3)
    running.wait_for(lambda: "breaker open" in running.reasons, "the breaker did not open")
    during = len(office.ledger("outage"))
    (summary,) = running.finish()
    assert Counter(office.taken("outage")) == Counter(range(2_000))
    assert summary.failed == 0
    refused = sum(entry.status == 503 for entry in office.ledger("outage"))
    assert refused < 500, f"the breaker kept the rest back ({during} requests when it opened)"


def test_while_one_provider_is_out_the_fallback_takes_over_and_each_person_counts_once(office: Office) -> None:
    people = office.folder / "phones.csv"
    people.write_text("to,name,phone\n" + "".join(f"u{n},R{n},+491701{n:06}\n" for n in range(600)))
    changes = OUTAGE | {"audience": {"file": "phones.csv"}, "fallback": by_sms(office)}
    (summary,) = office.send(office.campaign("falls-back", 600, **changes))
    taken = Counter(office.taken("falls-back"))
    assert taken == Counter(range(600))
    assert {entry.provider for entry in office.ledger("falls-back")} == {"twilio"}
    assert summary.fell_back == summary.sent == 600


def test_in_an_outage_those_without_another_address_wait_and_hold_up_no_one_else(office: Office) -> None:
    people = office.folder / "some-phones.csv"
    phones = [f"+491701{n:06}" if n % 3 else "" for n in range(600)]
    people.write_text("to,name,phone\n" + "".join(f"u{n},R{n},{phone}\n" for n, phone in enumerate(phones)))
    changes = OUTAGE | {"audience": {"file": "some-phones.csv"}, "fallback": by_sms(office)}
    running = office.start(office.campaign("mixed", 600, **changes, retry={"attempts": 50}))
    running.wait_for(sent(running, 400), "nobody is diverted any more")
    (summary,) = running.stop()
    assert Counter(office.taken("mixed")) == Counter(n for n in range(600) if n % 3)
    assert (summary.fell_back, summary.queued) == (400, 200)


def test_a_throttling_provider_slows_the_sender_down_and_loses_nothing(office: Office) -> None:
    office.provider.conduct(number_per_s=400)
    planned = office.campaign(
        "throttled", 1_500, rates={"campaign": 2_000}, retry={"attempts": 50, "first_wait": "100ms"}
    )
    running = office.start(planned)
    (summary,) = running.finish()
    assert Counter(office.taken("throttled")) == Counter(range(1_500))
    assert summary.errors.get("429", 0) < 1_500, "it did not go on against the wall"
    assert {"throttled", "told to wait"} & set(running.reasons)


def test_rate_pause_resume_and_cancel_while_it_runs(office: Office) -> None:
    running = office.start(office.campaign("live", 20_000, rates={"campaign": 200}))
    running.wait_for(sent(running, 50), "nothing sent")
    order(office, action="rate", campaign_id="live", per_s=2_000)
    run = running.sender.sessions[0].run
    running.wait_for(lambda: run.ways[0].numbers[0].path[3].effective() == 2_000, "the rate did not change")
    order(office, action="pause", campaign_id="live", why="lunch")
    running.wait_for(lambda: run.paused == "lunch" and run.in_flight == 0, "not paused")
    stood = len(office.ledger("live"))
    time.sleep(0.4)
    assert len(office.ledger("live")) == stood
    order(office, action="resume", campaign_id="live")
    running.wait_for(sent(running, stood + 200), "not resumed")
    order(office, action="cancel", campaign_id="live")
    (summary,) = running.finish()
    assert summary.screened["cancelled"] + summary.sent == 20_000
    assert len(set(office.taken("live"))) == len(office.taken("live")) == summary.sent
    assert running.exit_code == 5


def test_a_kill_switch_holds_and_lifting_it_releases_paced(office: Office) -> None:
    running = office.start(office.campaign("killed", 1_500, rates={"campaign": 500}))
    running.wait_for(sent(running, 100), "nothing sent")
    order(office, action="kill", channel="in_app", why="wrong text")
    run = running.sender.sessions[0].run
    desk = running.sender.sessions[0].desk
    running.wait_for(lambda: bool(desk.orders.killed) and run.in_flight == 0, "not held")
    stood = len(office.ledger("killed"))
    time.sleep(0.5)
    assert len(office.ledger("killed")) == stood
    lifted = time.monotonic()
    order(office, action="lift", channel="in_app")
    running.finish()
    assert Counter(office.taken("killed")) == Counter(range(1_500))
    assert time.monotonic() - lifted >= (1_500 - stood) / 500 * 0.9, "paced, not all at once"


def test_who_is_suppressed_while_it_runs_gets_nothing_any_more(office: Office) -> None:
    running = office.start(office.campaign("opts-out", 2_000, rates={"campaign": 400}))
    running.wait_for(sent(running, 20), "nothing sent")
    session = running.sender.sessions[0]
    change = session.desk.suppressions.change(wall_clock(), "add", "user1999", "in_app", "asked")
    running.sender.sessions[0].dispatcher.call(lambda: session.desk.suppress(change))
    (summary,) = running.finish()
    assert 1_999 not in office.taken("opts-out")
    assert summary.screened == {"suppressed": 1}
    assert summary.sent == 1_999


def test_critical_goes_first_and_bulk_keeps_its_reserve(office: Office) -> None:
    rates = {"overall": 500}
    plans = [
        office.campaign(name, rows, priority=name, rates=rates)
        for name, rows in (("bulk", 4_000), ("standard", 1_500), ("critical", 800))
    ]
    running = office.start(*plans)
    by_name = {session.campaign.id: session.run for session in running.sender.sessions}
    running.wait_for(lambda: by_name["critical"].counts.sent == 800, "critical is not sent")
    bulk, standard = by_name["bulk"].counts.sent, by_name["standard"].counts.sent
    running.stop()
    assert 30 <= bulk <= 300, "about a tenth"
    assert standard <= 200, "after critical"


def test_two_slices_of_one_campaign_send_each_message_once(office: Office) -> None:
    planned = office.campaign("sliced", 2_001, rates={"campaign": 1_000})
    both = [office.start(planned, slice=Slice(index, 2)) for index in range(2)]
    for running in both:
        running.wait_for(running.sender.ended, "not ended")
    summaries = [running.finish()[0] for running in both]
    assert Counter(office.taken("sliced")) == Counter(range(2_001))
    assert sorted(summary.sent for summary in summaries) == [1_000, 1_001]


def test_two_senders_under_one_redis_budget_stay_within_it(office: Office, redis_server: RedisServer) -> None:
    """One is killed off half way: what it no longer needs the other may use, and never more than the limit."""
    plans = [office.campaign(name, rows, rates={"overall": 600}) for name, rows in (("half-a", 600), ("half-b", 1_800))]
    running = [office.start(plan, redis=redis_server.url, senders=2) for plan in plans]
    for one in running:
        one.wait_for(one.sender.ended, "not ended")
    for one in running:
        one.finish()
    arrivals = [entry.arrived for name in ("half-a", "half-b") for entry in office.ledger(name)]
    assert len(arrivals) == 2_400
    # A lease is spent within its 100 ms, so as much may lie closer together at either end.
    assert len(arrivals) <= 600 * (max(arrivals) - min(arrivals) + 0.1)


def test_a_canary_that_fails_keeps_the_rest_back(office: Office) -> None:
    office.provider.conduct(failures={"400": 0.9})
    running = office.start(office.campaign("canary", 12_000, canary={"share": 0.001, "wait": "100ms", "failures": 0.2}))
    run = running.sender.sessions[0].run
    running.wait_for(lambda: bool(run.paused), "not paused")
    (summary,) = running.stop()
    assert "of the canary's 12 failed" in run.paused
    assert summary.requests == 12
    assert summary.queued == 12_000 - 12


def test_a_capped_person_gets_no_more_than_the_cap_from_all_campaigns(office: Office) -> None:
    cap = {"messages": 1, "per": "1d"}
    plans = [office.campaign(name, 100, frequency_cap=cap) for name in ("cap-a", "cap-b")]
    first, second = office.send(*plans)
    assert first.sent + second.sent == 100
    assert first.screened.get("capped", 0) + second.screened.get("capped", 0) == 100


def test_who_opted_out_between_two_campaigns_gets_nothing_of_the_second(office: Office) -> None:
    office.send(office.campaign("before", 10))
    event = StatusEvent(
        campaign_id="before", message_key=3, status=Status.UNSUBSCRIBED, event_time=1, received_at=1, provider="http"
    )
    write(office, Lane.OTHER.topic, msgspec.json.encode(event) + b"\n")
    (summary,) = office.send(office.campaign("after", 10))
    assert summary.screened == {"suppressed": 1}
    assert sorted(office.taken("after")) == [0, 1, 2, 4, 5, 6, 7, 8, 9]
    kept = Suppressions(hash_keys(office.settings))
    read_all(office.settings, SEND_SUPPRESSIONS, kept.read).close()
    assert kept.holds("user3", "in_app"), "durable by the end"


def test_records_beyond_the_audience_are_not_this_campaigns(office: Office) -> None:
    """Another sender's under the same id, say: no doubt of ours, and nothing that is settled."""
    strange = {"at": 1, "campaign_id": "strange", "sent_at": 1}
    for record in (Intent(message_key=20_000, **strange), Accepted(message_key=30_000, provider="p", **strange)):
        write(office, OUTBOUND, msgspec.json.encode(record) + b"\n")
    (summary,) = office.send(office.campaign("strange", 10))
    assert (summary.sent, summary.settled, summary.in_doubt) == (10, 10, 0)


def test_a_cap_knows_of_campaigns_that_were_sent_before_whether_they_had_one_or_not(office: Office) -> None:
    office.send(office.campaign("sent-before", 60))
    cap = {"messages": 2, "per": "7d"}
    (second,) = office.send(office.campaign("second", 100, frequency_cap=cap))
    (third,) = office.send(office.campaign("third", 100, frequency_cap=cap))
    assert (second.sent, second.screened) == (100, {})
    assert (third.sent, third.screened) == (40, {"capped": 60})


def test_a_message_that_is_tried_again_does_not_count_against_its_own_cap(office: Office) -> None:
    """Not when it never left behind a breaker, nor when it goes to the same number by the other way."""
    people = office.folder / "one-number.csv"
    people.write_text("to,name\n" + "".join(f"+491701{n:06},R{n}\n" for n in range(300)))
    changes = OUTAGE | {"audience": {"file": "one-number.csv"}, "fallback": by_sms(office) | {"to": "to"}}
    cap = {"messages": 1, "per": "1d"}
    (summary,) = office.send(office.campaign("cap-again", 300, **changes, frequency_cap=cap))
    assert (summary.sent, summary.screened) == (300, {})


def test_after_its_window_closed_a_campaign_sends_nothing_and_says_so(office: Office) -> None:
    window = {"opens": "2026-01-01T00:00:00Z", "closes": "2026-01-02T00:00:00Z"}
    (summary,) = office.send(office.campaign("late", 100, window=window))
    assert summary.screened == {"expired": 100}
    assert office.ledger("late") == []


def test_who_sleeps_is_written_to_later(office: Office) -> None:
    running = office.start(half_asleep(office, "sleeps"))
    running.wait_for(sent(running, 100), "nothing sent")
    time.sleep(0.5)
    session = running.sender.sessions[0]
    assert session.rows.parked() == 100
    (summary,) = running.stop()
    assert {entry.message_key % 2 for entry in office.ledger("sleeps")} == {1}
    assert (summary.sent, summary.queued) == (100, 100)


def test_what_a_person_sees_says_how_far_how_fast_and_why_not_faster(office: Office) -> None:
    running = office.start(office.campaign("shown", 2_000, rates={"campaign": 500}))
    running.wait_for(sent(running, 100), "nothing sent")
    order(office, action="pause", campaign_id="shown", why="lunch")
    running.wait_for(lambda: "paused: lunch" in running.reasons, "no reason")
    (pulse,) = running.sender.pulses()
    text = line("shown", pulse)
    assert "of 2,000" in text
    assert "(paused: lunch)" in text
    console = Console(file=io.StringIO(), width=200)
    console.print(table(running.sender.sessions, [pulse]))
    assert "paused: lunch" in console.file.getvalue()  # type: ignore[attr-defined]
    running.stop()


def test_a_bug_beside_the_requests_ends_the_sender_instead_of_leaving_a_campaign_open(office: Office) -> None:
    def broken() -> None:
        raise ValueError("a bug")

    running = office.start(office.campaign("broken", 1_000, rates={"campaign": 10}))
    running.wait_for(sent(running, 1), "nothing sent")
    running.sender.sessions[0].dispatcher.call(broken)
    with pytest.raises(TidemarkError, match=r"^the dispatcher broke: a bug$"):
        running.finish()
