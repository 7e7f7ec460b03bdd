"""Doubts that a status or a person settles, also before the sender holds them."""

from pathlib import Path

import pytest

import flows.sending.resolving
from flows.send import build
from flows.sending.command import main
from flows.sending.desk import confirm
from flows.sending.runs import Run
from loadgen.processes import variables
from tests.sending.conftest import Office, Running
from tests.sending.making import load

ROWS = 5
FIRST_WAIT_S = 2.0


def settle(office: Office, monkeypatch: pytest.MonkeyPatch, name: str, outcome: str) -> None:
    for variable, text in variables(office.settings).items():
        monkeypatch.setenv(variable, text)
    assert main(["settle", name, outcome, *map(str, range(ROWS))], build) == 0


def start_in_doubt(office: Office, name: str, **changes: object) -> Running:
    """No message is answered; the first wait of each is as long as it may be."""
    office.provider.conduct(swallow=1.0)
    retry = {"attempts": 3, "first_wait": f"{FIRST_WAIT_S:.0f}s", "longest_wait": "10s"}
    running = office.start(office.campaign(name, ROWS, timeout="500ms", settle="1ms", retry=retry, **changes))
    running.sender.sessions[0].desk.chance = lambda: 1.0
    return running


@pytest.mark.parametrize("outcome", ["sent", "lost"])
def test_a_decision_about_what_waits_to_be_handed_over_again_holds(
    office: Office, monkeypatch: pytest.MonkeyPatch, outcome: str
) -> None:
    name = f"waits-{outcome}"
    running = start_in_doubt(office, name, in_doubt="resend")
    run = running.sender.sessions[0].run
    running.wait_for(lambda: run.counts.repeated == ROWS, "nothing waits")
    office.provider.conduct(swallow=0.0)
    settle(office, monkeypatch, name, outcome)
    (summary,) = running.finish()
    attempts = [entry.attempt for entry in office.ledger(name)]
    assert sorted(attempts) == ([1] * ROWS if outcome == "sent" else [1] * ROWS + [2] * ROWS)
    assert (summary.sent, summary.in_doubt, run.told) == (ROWS, 0, {})
    assert (summary.settled_sent, summary.settled_lost) == ((ROWS, 0) if outcome == "sent" else (0, ROWS))


@pytest.mark.parametrize("outcome", ["sent", "lost"])
def test_a_decision_during_the_look_ups_holds(office: Office, monkeypatch: pytest.MonkeyPatch, outcome: str) -> None:
    name = f"asked-{outcome}"
    connection = {"url": f"{office.provider.url}/send", "lookup_url": "http://127.0.0.1:9/{key}"}
    monkeypatch.setattr(flows.sending.resolving, "LOOKS_AFTER_S", 0.3)
    running = start_in_doubt(office, name, connection=connection)
    run = running.sender.sessions[0].run
    running.wait_for(lambda: run.looking_up == ROWS, "nothing is looked up")
    office.provider.conduct(swallow=0.0)
    settle(office, monkeypatch, name, outcome)
    (summary,) = running.finish()
    assert (summary.sent, summary.in_doubt) == (ROWS, 0)
    assert summary.requests == (ROWS if outcome == "sent" else 2 * ROWS)


def test_what_is_told_of_a_message_is_kept_only_while_it_is_open_and_only_by_whose_it_is(tmp_path: Path) -> None:
    run = Run(load(tmp_path), [], audience=10, deadline_ms=0, step=2, first=1)
    for seq in range(100):
        run.tell(seq, 1, "sent")
    assert sorted(run.told) == list(range(1, 20, 2))
    confirm([(run, seq, 1) for seq in range(1, 20, 2)])
    assert run.told == {}
    run.tell(3, 1, "sent")
    assert run.told == {}, "settled"
    run.reopened[3] = 2
    run.tell(3, 2, "lost")
    run.tell(3, 2, "sent")
    run.tell(3, 2, "lost")
    assert run.told == {3: {2: "sent"}}, "that the provider has it outweighs"
