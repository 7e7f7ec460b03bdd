"""A sender tells what it does while it does it, and whether it is held up."""

import time

import pytest

from flows.sending.sender_metrics import NAMES, SILENT_AFTER_S, Pace, sender_verdict
from schemas.errors import TidemarkError
from sql.telemetry.health import State, is_alive
from tests.parts.kafka import free_port
from tests.sending.conftest import Office
from tests.telemetry.asking import health, samples, value


def test_a_breaker_that_opens_is_seen_and_so_is_that_it_closes(office: Office) -> None:
    """The provider refuses everything for a while, then all goes out."""
    port = free_port()
    office.provider.conduct(failures={"503": 1.0})
    retry = {"attempts": 12, "first_wait": "50ms", "longest_wait": "200ms"}
    running = office.start(office.campaign("seen", 300, retry=retry, rates={"campaign": 400}), metrics_port=port)
    running.wait_for(lambda: value(port, "tidemark_sender_breaker") == 2, "the breaker stays closed")
    running.wait_for(lambda: health(port, "/readyz")[1]["state"] == "broken", "not broken")
    assert health(port, "/healthz")[0] == 200, "no restart helps"
    assert value(port, "tidemark_sender_errors_total", code="503") > 0
    office.provider.conduct(failures={})
    running.wait_for(lambda: value(port, "tidemark_sender_messages_total", outcome="sent") == 300, "not sent")
    assert value(port, "tidemark_sender_breaker") == 0
    assert value(port, "tidemark_sender_requests_total") > 300
    assert value(port, "tidemark_sender_waiting") == 0
    assert {name for name, _ in samples(port) if name.startswith("tidemark_")} == NAMES
    running.finish()
    assert health(port, "/readyz")[0] == 0, "it went with the process"


@pytest.mark.parametrize(
    ("pace", "state"),
    [
        (Pace("a", 100.0, 99.0, ""), State.READY),
        (Pace("a", 100.0, 0.0, "paused: lunch"), State.READY),
        (Pace("a", 100.0, 0.0, "all handed over"), State.READY),
        (Pace("a", None, 5.0, "cpu"), State.READY),
        (Pace("a", 100.0, 20.0, "throttled"), State.BEHIND),
        (Pace("a", 100.0, 20.0, "ledger"), State.BEHIND),
        (Pace("a", 100.0, 0.0, "breaker open"), State.BROKEN),
        (Pace("a", 100.0, 0.0, "killed: wrong text"), State.BROKEN),
    ],
)
def test_what_holds_a_campaign_up_is_told_apart(pace: Pace, state: State) -> None:
    verdict = sender_verdict(None, "", time.monotonic(), [Pace("b", 10.0, 10.0, ""), pace])
    assert (verdict.state, is_alive(verdict)) == (state, True)
    assert state is State.READY or pace.slower_because in verdict.why


def test_starting_silent_and_broken() -> None:
    now = time.monotonic()
    assert sender_verdict(None, "", 0.0, []).state is State.STARTING
    assert sender_verdict(None, "", now - SILENT_AFTER_S - 1, []).state is State.SILENT
    assert sender_verdict(None, "kafka is down", now, []) == (State.BROKEN, "kafka is down")
    assert sender_verdict(TidemarkError("no room"), "", now, []) == (State.BROKEN, "no room")
