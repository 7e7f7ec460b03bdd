"""Orders stand in the audit log, and go out whether it can be written or not."""

import json
from pathlib import Path

import msgspec
import pytest

from flows.send import build
from flows.sending.command import main
from flows.sending.control import Orders
from flows.sending.watch import read_all
from loadgen.processes import variables
from schemas.settings import Settings
from schemas.topics import SEND_CONTROL
from sql import audit
from sql.migrate import migrate
from sql.warehouse import Warehouse
from tests.parts.kafka import free_port
from tests.sending.conftest import Office

ORDERS = (
    ("rate", "autumn", "2500"),
    ("pause", "autumn", "--why", "wrong price"),
    ("kill", "--provider", "twilio", "--channel", "sms", "--why", "outage"),
    ("lift", "--provider", "twilio", "--channel", "sms"),
)


def say(monkeypatch: pytest.MonkeyPatch, settings: Settings, *arguments: str) -> None:
    for name, text in variables(settings).items():
        monkeypatch.setenv(name, text)
    assert main(list(arguments), build) == 0


def in_force(settings: Settings) -> Orders:
    orders = Orders()
    read_all(settings, SEND_CONTROL, orders.read).close()
    return orders


def own(folder: Path, clickhouse: str) -> Settings:
    return Settings(broker=f"file://{folder}/topics", recovery=f"{folder}/recovery", clickhouse=clickhouse)


def test_who_ordered_what(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    settings = own(tmp_path, f"chdb://{tmp_path}/clickhouse")
    with Warehouse(settings.clickhouse, create=True) as warehouse:
        migrate(warehouse)
        for order in ORDERS:
            say(monkeypatch, settings, *order)
        log = audit.entries(warehouse)
    assert [(entry.action, entry.subject, entry.details) for entry in log] == [
        ("rate", "autumn", '{"per_s":2500.0}'),
        ("pause", "autumn", '{"why":"wrong price"}'),
        ("kill", "twilio sms", '{"why":"outage"}'),
        ("lift", "twilio sms", '{"why":""}'),
    ]
    assert audit.verify(log) == [log[-1].hash]


def test_what_a_sender_stops_of_its_own_accord_stands_there_too(office: Office, tmp_path: Path) -> None:
    """A provider that refuses the credentials: the sender pulls the kill switch itself."""
    office.settings = msgspec.structs.replace(office.settings, clickhouse=f"chdb://{tmp_path}/clickhouse")
    office.provider.conduct(failures={"401": 1.0})
    with Warehouse(office.settings.clickhouse, create=True) as warehouse:
        migrate(warehouse)
        running = office.start(office.campaign("refused", 20))
        running.wait_for(lambda: bool(audit.entries(warehouse)), "not noted")
        running.stop()
        (entry,) = audit.entries(warehouse)
    assert (entry.actor, entry.action, entry.subject) == ("flows.send", "kill", "http")
    assert json.loads(entry.details)["why"].startswith("401")


@pytest.mark.parametrize("clickhouse", ["chdb://{folder}/nowhere", "http://127.0.0.1:{port}/tidemark"])
def test_a_kill_switch_waits_for_no_database(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], clickhouse: str
) -> None:
    settings = own(tmp_path, clickhouse.format(folder=tmp_path, port=free_port()))
    say(monkeypatch, settings, "pause", "autumn", "--why", "wrong price")
    assert in_force(settings).paused == {"autumn": "wrong price"}
    said = capsys.readouterr().err
    assert said.startswith("flows.send: not in the audit log: pause autumn: ")
    assert len(said.splitlines()) == 1
    assert not (tmp_path / "nowhere").exists()
