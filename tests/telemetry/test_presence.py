"""A broker that is down makes who needs it broken, and nobody dead."""

import threading

import pytest

from api.webhooks.metrics import telling
from flows.flow_health import flow_verdict
from flows.stopping import Stop
from flows.topics import kafka_client
from flows.topics.presence import asking_broker
from schemas.errors import TopicDown
from schemas.settings import Settings
from sql.telemetry.health import State, Verdict, is_alive
from sql.telemetry.server import new_registry
from sql.telemetry.watch import Watch
from tests.parts.flows import until
from tests.parts.kafka import free_port
from tests.telemetry.asking import health
from tests.telemetry.test_flow_telemetry import made


@pytest.fixture
def nowhere(monkeypatch: pytest.MonkeyPatch) -> Settings:
    monkeypatch.setattr(kafka_client, "ANSWER_WITHIN_S", 0.3)
    return Settings(broker=f"kafka://127.0.0.1:{free_port()}")


def test_a_receiver_without_its_broker_is_broken_and_alive(nowhere: Settings) -> None:
    port = free_port()
    told = Settings(broker=nowhere.broker, metrics_port=port)
    with telling(told, lambda: Verdict(State.READY), new_registry()):
        until(lambda: health(port, "/readyz")[1]["state"] == "broken", "not broken")
        assert "the broker does not answer" in health(port, "/readyz")[1]["why"]
        assert health(port, "/healthz")[0] == 200


def test_a_flow_without_its_broker_is_broken_though_it_has_read_all_there_was(nowhere: Settings) -> None:
    with Watch(asking_broker(nowhere)) as broker:
        until(lambda: broker.why != "", "not asked")
    verdict = flow_verdict([made()], Stop(), broker.why)
    assert (verdict.state, is_alive(verdict)) == (State.BROKEN, True)


def test_what_is_back_is_seen() -> None:
    """That a real broker is, the native stack test shows: there each role is ready in the end."""
    down = threading.Event()
    down.set()

    def ask() -> None:
        if down.is_set():
            raise TopicDown("it is down")

    with Watch(ask, every_s=0.05) as broker:
        until(lambda: broker.why == "it is down", "not told")
        down.clear()
        until(lambda: broker.why == "", "not back")


def test_topics_in_files_are_there() -> None:
    assert asking_broker(Settings()) is None
    with Watch(None) as broker:
        assert broker.why == ""
