"""Our own format keeps to the bounds of a status event, and takes statuses it does not know."""

import json
from typing import Any

import pytest

from flows.providers import Reason
from flows.providers.canonical import Event
from schemas.events import StatusEvent
from tests.providers.bodies import frame_of, reason_of

GOOD = {"status": "sent", "provider_message_id": "m"}


@pytest.mark.parametrize(
    "wrong",
    [
        {"status": None},
        {"status": "x" * 129},
        {"provider_message_id": None},
        {"provider_message_id": "x" * 513},
        {"campaign_id": "c"},
        {"message_key": 1},
        {"campaign_id": "no spaces", "message_key": 1},
        {"campaign_id": "c", "message_key": 2**63},
        {"campaign_id": "c", "message_key": -1},
        {"attempt": 0},
        {"attempt": 256},
        {"event_time": -1},
        {"event_time": 2**53 + 1},
        {"event_time": 1.5},
        {"event_time": "2026-11-21"},
        {"sent_at": True},
    ],
    ids=str,
)
def test_wrong_event_refuses_the_body(wrong: dict[str, Any]) -> None:
    assert reason_of("canonical", json.dumps([GOOD, GOOD | wrong])) == Reason.WRONG_SHAPE


def test_campaign_id_with_a_newline_is_refused() -> None:
    """Python's `$` lets it pass, so that the bounds of the frame have to catch it."""
    assert reason_of("canonical", json.dumps(GOOD | {"campaign_id": "c\n", "message_key": 1})) == Reason.OUT_OF_RANGE


@pytest.mark.parametrize("text", ["7", '"sent"', "null", "{}", '{"events":{}}', '{"events":[7]}', "[[]]"])
def test_not_an_event(text: str) -> None:
    assert reason_of("canonical", text) == Reason.WRONG_SHAPE


def test_array_after_white_space() -> None:
    assert frame_of("canonical", f"\r\n {json.dumps([GOOD])}").height == 1


def test_event_has_the_fields_of_a_status_event() -> None:
    """All but the two that only the receiver knows."""
    assert {*Event.__struct_fields__} == {*StatusEvent.__struct_fields__} - {"receipt_id", "received_at"}
