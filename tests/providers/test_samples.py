"""Captured and documented bodies become exactly the events written beside them."""

import json
from pathlib import Path
from typing import Any

import pytest

from schemas.columns import STATUS_COLUMNS
from tests.providers.bodies import RECEIVED_AT, frame_of

OWN = Path(__file__).parent / "samples"
SHARED = Path(__file__).parents[3] / "shared" / "webhooks" / "meta_whatsapp"
OWN_SAMPLES = [
    (folder.name, name)
    for folder in sorted(OWN.iterdir())
    for name in json.loads((folder / "expected.json").read_text())
]
SHARED_SAMPLES = json.loads((SHARED / "expected.json").read_text())["files"] if SHARED.is_dir() else {}


def whole(expected: dict[str, Any]) -> dict[str, Any]:
    """All columns: what a sample leaves out is null, a time it cannot know is the receive time."""
    event = dict.fromkeys(STATUS_COLUMNS) | expected | {"receipt_id": "receipt-1", "received_at": RECEIVED_AT}
    return event | {"event_time": RECEIVED_AT if event["event_time"] is None else event["event_time"]}


@pytest.mark.parametrize(("provider", "name"), OWN_SAMPLES)
def test_sample_becomes_its_events(provider: str, name: str) -> None:
    """Every column of every event, in order."""
    expected = json.loads((OWN / provider / "expected.json").read_text())[name]
    frame = frame_of(provider, (OWN / provider / name).read_bytes().decode())
    assert frame.schema == STATUS_COLUMNS
    assert frame.to_dicts() == [whole(event) for event in expected]


@pytest.mark.skipif(not SHARED_SAMPLES, reason="the shared samples are not beside this checkout")
@pytest.mark.parametrize("name", SHARED_SAMPLES)
def test_shared_sample_becomes_its_events(name: str) -> None:
    """The samples that other projects check their parsers with."""
    frame = frame_of("meta_whatsapp", (SHARED / name).read_bytes().decode()).rename({"event_time": "event_time_ms_utc"})
    found = frame.select(list(SHARED_SAMPLES[name][0])).to_dicts()
    assert found == SHARED_SAMPLES[name]
