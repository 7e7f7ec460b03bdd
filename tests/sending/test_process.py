"""The sender as a process: killed, asked to end, and what it says to those who call it."""

import io
import time
from contextlib import redirect_stdout
from pathlib import Path
from typing import Any

import msgspec
import pytest

from flows.send import build
from flows.sending.command import main
from loadgen.command import scratch
from loadgen.processes import variables
from loadgen.provider.ledger import Entry
from loadgen.sends.kills import MODES, Plan, run_kills
from loadgen.sends.scene import eligible, write_audience, write_campaign
from loadgen.sends.simulated import Provider, Sending, wait_until
from schemas.settings import Settings

PATIENCE_S = 60.0


@pytest.mark.parametrize("mode", MODES)
def test_killed_no_one_gets_it_twice_and_no_one_is_left_out_unseen(mode: str) -> None:
    """`python -m loadgen.sends.kills` does this thirty times over."""
    plan = Plan(mode=mode, messages=1_500, kills=2 if mode == "hold" else 1, rate=500, seed=3, settle="5s")
    with scratch(0, EPOCH="300ms") as (settings, folder):
        report = run_kills(settings, folder, plan)
    assert report.wrong == []
    assert report.sent_once + report.in_doubt == report.eligible


class Desk:
    """Commands in a folder of their own."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        own = {"broker": f"file://{folder}/topics", "clickhouse": f"chdb://{folder}/clickhouse"}
        self.settings = Settings(recovery=f"{folder}/recovery", epoch=200, **own)
        self._count = 0

    def start(self, *arguments: str) -> Sending:
        self._count += 1
        return Sending(list(arguments), variables(self.settings), self.folder / f"{self._count}.log")

    def run(self, *arguments: str) -> tuple[int, str]:
        sending = self.start(*arguments)
        return sending.wait(PATIENCE_S), sending.said()

    def say(self, *arguments: str) -> str:
        """A command that goes well, within this process; what it printed."""
        with pytest.MonkeyPatch.context() as patch, redirect_stdout(io.StringIO()) as said:
            for name, text in variables(self.settings).items():
                patch.setenv(name, text)
            assert main(list(arguments), build) == 0
        return said.getvalue()


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    return Desk(tmp_path)


def entries(simulator: Provider, name: str) -> list[Entry]:
    return [entry for entry in simulator.ledger() if entry.campaign_id == name]


def stands(simulator: Provider, name: str) -> bool:
    before = len(entries(simulator, name))
    time.sleep(0.5)
    return len(entries(simulator, name)) == before


def campaign(desk: Desk, simulator: Provider, name: str, rows: int, **changes: Any) -> str:
    write_audience(desk.folder / "people.csv", rows)
    return str(write_campaign(desk.folder, simulator.url, id=name, **changes))


def test_asked_to_end_and_paused_from_another_process(desk: Desk, simulator: Provider) -> None:
    path = campaign(desk, simulator, "commanded", 5_000, rates={"campaign": 500})
    sending = desk.start(path, "--json")
    wait_until(lambda: len(entries(simulator, "commanded")) > 100, PATIENCE_S, "nothing sent")
    assert desk.say("pause", "commanded", "--why", "lunch") == ""
    wait_until(lambda: stands(simulator, "commanded"), PATIENCE_S, "it goes on")
    sending.ask_to_end()
    assert sending.wait(PATIENCE_S) == 4
    (told,) = sending.summary()["campaigns"]
    assert told["paused"] == "lunch"
    assert told["in_doubt"] == 0


def test_two_processes_never_send_one_share_at_once(desk: Desk, simulator: Provider) -> None:
    path = campaign(desk, simulator, "locked", 3_000, rates={"campaign": 200})
    first = desk.start(path)
    wait_until(lambda: len(entries(simulator, "locked")) > 10, PATIENCE_S, "nothing sent")
    code, said = desk.run(path)
    first.kill()
    assert code == 1
    assert "is in use by another process" in said
    assert "Traceback" not in said


def test_check_dry_run_and_test_send(desk: Desk, simulator: Provider) -> None:
    path = campaign(desk, simulator, "rehearsed", 1_000, rates={"campaign": 100}, prices={"": 0.05})
    assert desk.say(path, "--check") == "rehearsed: 1,000 rows, nothing is wrong\n"
    (told,) = msgspec.json.decode(desk.say(path, "--dry-run", "--json"))["campaigns"]
    assert told["skips"] == {"invalid": 10, "duplicate": 10, "suppressed": 10, "unrenderable": 10}
    assert (told["sends"], told["cost"], told["seconds"], len(told["samples"])) == (960, 48.0, 9.6, 3)
    assert entries(simulator, "rehearsed") == []
    assert not (desk.folder / "audiences").exists()
    said = desk.say(path, "--test", "colleague", "--json")
    (entry,) = entries(simulator, "rehearsed.test")
    assert entry.to == "colleague"
    assert msgspec.json.decode(said)["provider_message_id"] == entry.message_id


def test_suppressed_by_command_before_the_start(desk: Desk, simulator: Provider) -> None:
    path = campaign(desk, simulator, "suppressed", 200)
    people = desk.folder / "opted-out.txt"
    people.write_text("user1\nuser2\n# nobody\n")
    assert desk.say("suppress", "import", str(people)) == "2 suppressed\n"
    desk.say("suppress", "add", "user3", "--channel", "in_app")
    desk.say("suppress", "remove", "user2")
    code, _ = desk.run(path)
    assert code == 0
    keys = {entry.message_key for entry in entries(simulator, "suppressed")}
    assert not keys & {1, 3}
    assert 2 in keys


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((), "the following arguments are required"),
        (("none.yaml",), "none.yaml: No such file"),
        (("rate", "autumn", "fast"), "'fast' is no rate"),
        (("rate", "no spaces", "5"), "campaign_id"),
        (("kill",), "--provider, --channel or both"),
        (("suppress", "import", "none.txt"), "none.txt"),
        (("settle", "autumn", "lost", "7"), "7 is not in doubt"),
    ],
)
def test_wrong_commands_get_one_line(
    desk: Desk,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    arguments: tuple[str, ...],
    message: str,
) -> None:
    for name, text in variables(desk.settings).items():
        monkeypatch.setenv(name, text)
    assert main(list(arguments), build) == 2
    said = capsys.readouterr()
    assert message in said.err
    assert len(said.err.splitlines()) == 1
    assert said.out == ""


def test_what_was_given_up_goes_again_and_what_is_held_is_listed_and_decided(desk: Desk, simulator: Provider) -> None:
    path = campaign(desk, simulator, "replayed", 300, timeout="1s", settle="1ms")
    simulator.conduct(failures={"400": 0.1}, swallow=0.02)
    code, _ = desk.run(path)
    simulator.conduct(failures={}, swallow=0)
    assert code == 3, "some are in doubt: taken, and never answered"
    doubts = [msgspec.json.decode(line) for line in desk.say("doubts", "replayed", "--json").splitlines()]
    asked = entries(simulator, "replayed")
    refused = {entry.message_key for entry in asked if entry.status == 400}
    assert doubts
    assert {doubt["to"] for doubt in doubts} == {f"user{doubt['seq']}" for doubt in doubts}
    assert desk.say("replay", "replayed") == f"{len(refused)} go again, by the sender that runs or by the next\n"
    desk.say("settle", "replayed", "sent", *(str(doubt["seq"]) for doubt in doubts))
    sending = desk.start(path, "--json")
    assert sending.wait(PATIENCE_S) == 0, sending.said()
    taken = [entry.message_key for entry in entries(simulator, "replayed") if entry.status == 200]
    assert sorted(taken) == sorted(eligible(300)), "everyone, once"
    assert desk.say("doubts", "replayed") == ""


@pytest.mark.parametrize("how", ["asked to end", "killed"])
def test_what_was_sent_again_and_got_no_answer_is_in_doubt_after_the_next_start(
    desk: Desk, simulator: Provider, how: str
) -> None:
    """All was settled before, so that nothing else holds the checkpoint back."""
    name = f"unanswered-{how[:5].strip()}"
    path = campaign(desk, simulator, name, 100, timeout="60s", settle="1ms")
    simulator.conduct(failures={"400": 0.2})
    desk.run(path)
    simulator.conduct(failures={}, swallow=1)
    refused = {entry.message_key for entry in entries(simulator, name) if entry.status == 400}
    desk.say("replay", name)
    before = len(entries(simulator, name))
    sending = desk.start(path)
    wait_until(lambda: len(entries(simulator, name)) == before + len(refused), PATIENCE_S, "not sent again")
    time.sleep(3)  # for a mark behind the intents, and a snapshot behind that
    if how == "killed":
        sending.kill()
    else:
        sending.ask_to_end()
        sending.wait()
    simulator.conduct(swallow=0)
    code, said = desk.run(path, "--json")
    assert code == 3, said
    assert len(entries(simulator, name)) == before + len(refused), "no one is sent to twice"
    doubts = [msgspec.json.decode(line)["seq"] for line in desk.say("doubts", name, "--json").splitlines()]
    assert set(doubts) == refused
    desk.say("settle", name, "lost", *map(str, sorted(refused)))
    assert desk.run(path)[0] == 0
    assert len(entries(simulator, name)) == before + 2 * len(refused), "as a person decided"
