"""A simulator for all tests of the sender, and senders within this process."""

import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from flows.send import build
from flows.sending.audience import freeze
from flows.sending.campaign_file import load_campaign
from flows.sending.opening import Planned
from flows.sending.process import Sender
from flows.sending.summary import CampaignSummary, exit_code, summarise
from flows.sources import make_topics
from flows.stopping import Stop
from loadgen.provider.conduct import Conduct
from loadgen.provider.ledger import Entry
from loadgen.sends.scene import write_audience, write_campaign
from loadgen.sends.simulated import Provider
from schemas.settings import Settings
from schemas.times import wall_clock
from schemas.topics import DLQ_SEND, OUTBOUND, SEND_CONTROL, SEND_SUPPRESSIONS, STATUS_TOPICS

PATIENCE_S = 60.0


@pytest.fixture(scope="session")
def simulator(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Provider]:
    provider = Provider("--latency-ms", "10", log=tmp_path_factory.mktemp("provider") / "log")
    yield provider
    provider.close()


class Office:
    """Senders within this process over topics of their own; campaigns named as the test."""

    def __init__(self, folder: Path, provider: Provider) -> None:
        self.folder = folder
        self.provider = provider
        self.settings = Settings(broker=f"file://{folder}/topics", recovery=f"{folder}/recovery", epoch=200)
        self._running: list[Running] = []
        make_topics(self.settings, OUTBOUND, *STATUS_TOPICS, DLQ_SEND, SEND_CONTROL, SEND_SUPPRESSIONS)

    def campaign(self, name: str, rows: int, **changes: Any) -> Planned:
        write_audience(self.folder / "people.csv", rows, plain=True)
        path = write_campaign(self.folder, self.provider.url, id=name, **changes)
        campaign = load_campaign(path)
        return Planned(campaign, self.folder, freeze(self.settings, campaign, self.folder, wall_clock()))

    def start(self, *planned: Planned, **changes: Any) -> "Running":
        settings = msgspec.structs.replace(self.settings, **changes)
        running = Running(Sender(settings, list(planned), build, Stop()))
        self._running.append(running)
        return running

    def send(self, *planned: Planned) -> list[CampaignSummary]:
        """To their end."""
        return self.start(*planned).finish()

    def ledger(self, name: str) -> list[Entry]:
        return [entry for entry in self.provider.ledger() if entry.campaign_id == name]

    def taken(self, name: str) -> list[int]:
        return [entry.message_key for entry in self.ledger(name) if 200 <= entry.status < 300]

    def close(self) -> None:
        for running in self._running:
            running.close()
        self.provider.conduct(**msgspec.structs.asdict(Conduct(latency_ms=10)))


class Running:
    """A sender that runs; pulses are taken as its command takes them."""

    def __init__(self, sender: Sender) -> None:
        self.sender = sender
        self.reasons: list[str] = []
        sender.start()
        self._ends = threading.Event()
        self._thread = threading.Thread(target=self._pulse, daemon=True)
        self._thread.start()

    def _pulse(self) -> None:
        while not self._ends.wait(0.2):
            self.reasons += [pulse.slower_because for pulse in self.sender.pulses()]

    def wait_for(self, condition: Callable[[], bool], otherwise: str) -> None:
        deadline_s = time.monotonic() + PATIENCE_S
        while not condition():
            assert time.monotonic() < deadline_s, [otherwise, summarise(self.sender)]
            time.sleep(0.02)

    def finish(self) -> list[CampaignSummary]:
        self.wait_for(self.sender.ended, "not ended")
        return self._finished()

    def stop(self) -> list[CampaignSummary]:
        """As SIGTERM does."""
        self.sender.stop.ask()
        return self.finish()

    def close(self) -> None:
        """What a failed test left running."""
        if not self._ends.is_set():
            self.sender.stop.ask()
            self._ends.set()
            self.sender.finish()

    def _finished(self) -> list[CampaignSummary]:
        self._ends.set()
        self._thread.join()
        self.sender.finish()
        self.exit_code = exit_code(summarise(self.sender))
        return summarise(self.sender).campaigns


@pytest.fixture
def office(tmp_path: Path, simulator: Provider) -> Iterator[Office]:
    office = Office(tmp_path, simulator)
    yield office
    office.close()
