"""What goes again: by a replay, after a doubt, by a person's decision; nobody gets anything twice."""

import shutil
import time
from collections import Counter

import msgspec
import pytest

from flows.send import build
from flows.sending.command import main
from flows.sending.desk import confirm
from flows.sending.doubts import Doubts
from flows.sending.ledger import Ledger
from flows.sending.watch import read_all
from flows.topics import open_producer
from loadgen.processes import variables
from schemas.settings import Slice
from schemas.topics import OUTBOUND, STATUS_TOPICS
from tests.sending.conftest import Office
from tests.sending.driving import append, half_asleep, order, sent


def test_a_start_with_nothing_but_a_replay_does_not_end_before_it(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Even where the dispatcher is slow to take it over."""
    planned = office.campaign("replays", 200)
    office.provider.conduct(failures={"400": 0.3})
    (first,) = office.send(planned)
    assert first.failed > 0
    office.provider.conduct(failures={})
    for name, text in variables(office.settings).items():
        monkeypatch.setenv(name, text)
    assert main(["replay", "replays"], build) == 0
    send_again = Doubts.send_again

    def slowly(self: Doubts, seqs: list[int]) -> None:
        time.sleep(1)
        send_again(self, seqs)

    monkeypatch.setattr(Doubts, "send_again", slowly)
    (second,) = office.send(planned)
    assert (second.sent, second.queued) == (first.failed, 0)


def test_a_replay_of_the_ledger_sends_nothing_to_anybody(office: Office) -> None:
    """Of its first half: attempts that were refused, without those that were taken."""
    planned = office.campaign("rewritten", 500, retry={"attempts": 12, "first_wait": "50ms", "longest_wait": "200ms"})
    office.provider.conduct(failures={"503": 0.3})
    (first,) = office.send(planned)
    assert (first.sent, first.retried > 50) == (500, True)
    office.provider.conduct(failures={})
    told: list[bytes] = []
    read_all(office.settings, OUTBOUND, lambda value: told.extend(value.splitlines(keepends=True))).close()
    append(office, told[: len(told) // 2])
    (second,) = office.send(planned)
    assert (second.requests, second.in_doubt, second.queued) == (0, 0, 0)
    append(office, told[len(told) // 3 : len(told) // 2])
    shutil.rmtree(office.settings.recovery)
    (third,) = office.send(planned)
    assert (third.requests, third.in_doubt, third.queued) == (0, 0, 0)


def test_a_doubt_that_is_sent_again_keeps_its_key_whatever_comes_between(office: Office) -> None:
    """Some answers get lost; then the provider refuses for a while: a second key would be a second message."""
    office.provider.conduct(swallow=0.1)
    planned = office.campaign(
        "repeats",
        300,
        in_doubt="resend",
        timeout="500ms",
        rates={"campaign": 300},
        retry={"attempts": 50, "first_wait": "100ms", "longest_wait": "500ms"},
    )
    running = office.start(planned)
    running.wait_for(lambda: running.sender.sessions[0].run.counts.repeated > 3, "nothing is repeated")
    office.provider.conduct(swallow=0.0, outage="refuse", outage_s=1.5)
    (summary,) = running.finish()
    asked = [entry for entry in office.ledger("repeats") if entry.status == 200]
    assert {entry.message_key for entry in asked} == set(range(300))
    first = [entry.message_key for entry in asked if entry.code != "repeat"]
    assert len(first) == len(set(first)) == 300, "one key each"
    assert (summary.settled, summary.in_doubt) == (300, 0)


def test_a_replay_above_the_checkpoint_goes_once_whatever_comes_between(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Who sleeps keeps the checkpoint back: the rows behind it are read again, and hold those that go again."""
    planned = half_asleep(office, "returns")
    office.provider.conduct(failures={"400": 0.3})
    running = office.start(planned)
    run = running.sender.sessions[0].run
    running.wait_for(lambda: run.counts.sent + run.counts.failed == 100, "not all were asked")
    order(office, action="pause", campaign_id="returns")
    running.wait_for(lambda: bool(run.paused), "not paused")
    office.provider.conduct(failures={})
    for name, text in variables(office.settings).items():
        monkeypatch.setenv(name, text)
    assert main(["replay", "returns"], build) == 0
    running.wait_for(lambda: len(run.reopened) == run.counts.failed > 0, "not reopened")
    running.stop()
    order(office, action="resume", campaign_id="returns")
    running = office.start(planned)
    running.wait_for(sent(running, run.counts.failed), "not sent again")
    time.sleep(0.5)
    running.stop()
    assert Counter(office.taken("returns")) == Counter(range(1, 200, 2))


def test_a_replay_is_sent_by_the_process_whose_share_it_is_of(office: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    """The other one read of it, too: all of its own rows sleep."""
    planned = half_asleep(office, "shared")
    office.provider.conduct(failures={"400": 0.3})
    first = office.start(planned, slice=Slice(1, 2))
    (before,) = first.finish()
    assert before.failed > 0
    office.provider.conduct(failures={})
    other = office.start(planned, slice=Slice(0, 2))
    other.wait_for(lambda: other.sender.sessions[0].rows.parked() == 100, "not begun")
    for name, text in variables(office.settings).items():
        monkeypatch.setenv(name, text)
    assert main(["replay", "shared"], build) == 0
    (after,) = office.start(planned, slice=Slice(1, 2)).finish()
    time.sleep(0.5)
    other.stop()
    assert after.sent == before.failed
    assert Counter(office.taken("shared")) == Counter(range(1, 200, 2))


def test_a_status_that_came_while_no_sender_ran_settles_what_was_held(office: Office) -> None:
    office.provider.conduct(swallow=0.1)
    planned = office.campaign("held", 200, timeout="500ms", settle="1ms")
    (first,) = office.send(planned)
    assert first.in_doubt > 0
    ledger = Ledger("held")
    read_all(office.settings, OUTBOUND, ledger.add).close()
    producer = open_producer(office.settings)
    for doubt in ledger.doubts():
        told = {"campaign_id": "held", "message_key": doubt.seq, "attempt": doubt.attempt, "status": "delivered"}
        producer.append(STATUS_TOPICS[0], 0, msgspec.json.encode(told) + b"\n")
    producer.flush()
    producer.close()
    (second,) = office.send(planned)
    assert (second.requests, second.settled_sent, second.in_doubt) == (0, first.in_doubt, 0)


def test_an_attempt_that_the_sender_told_lost_is_no_replay_and_a_persons_is(office: Office) -> None:
    running = office.start(office.campaign("decided", 10))
    running.wait_for(sent(running, 10), "nothing sent")
    session = running.sender.sessions[0]
    resolver, run = session.dispatcher.resolver, session.run
    running.finish()
    assert not resolver.obey(run, 3, 1, "lost"), "sent since, by another attempt"
    run.given_up[4] = 2
    assert not resolver.obey(run, 4, 1, "lost")
    assert resolver.obey(run, 4, 2, "lost")
    assert run.reopened == {4: 3}
    assert not resolver.obey(run, 4, 2, "lost"), "once"
    confirm([(run, 4, 2)])
    assert run.reopened == {4: 3}, "its end was not durable yet as it was reopened"
    confirm([(run, 4, 3)])
    assert run.reopened == {}
