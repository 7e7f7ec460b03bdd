"""Captured and documented bodies become exactly the events written beside them."""

import json
from pathlib import Path
from typing import Any

import msgspec
import polars as pl
import pytest

from flows.captured import bare_body
from flows.providers import PROVIDERS, BodyReader
from schemas.columns import STATUS_COLUMNS
from tests.providers.bodies import RECEIVED_AT

OWN = Path(__file__).parent / "samples"
SHARED = Path(__file__).parents[3] / "shared" / "webhooks"
OWN_SAMPLES = [
    (folder.name, name)
    for folder in sorted(OWN.iterdir())
    for name in json.loads((folder / "expected.json").read_text())
]
SHARED_SAMPLES = {
    (file.parent.name, name): events
    for file in sorted(SHARED.glob("*/expected.json"))
    for name, events in json.loads(file.read_text())["files"].items()
}


def frame_of_file(provider: str, file: Path) -> pl.DataFrame:
    request = bare_body(provider, file.name, file.read_bytes())
    reader = BodyReader(PROVIDERS[provider])
    reader.read([msgspec.structs.replace(request, received_at=RECEIVED_AT, receipt_id="receipt-1")])
    frame, refused = reader.events()
    assert not refused
    return frame


def whole(expected: dict[str, Any]) -> dict[str, Any]:
    """All columns: what a sample leaves out is null, a time it cannot know is the receive time."""
    event = dict.fromkeys(STATUS_COLUMNS) | expected | {"receipt_id": "receipt-1", "received_at": RECEIVED_AT}
    return event | {"event_time": RECEIVED_AT if event["event_time"] is None else event["event_time"]}


def test_every_provider_has_samples_of_our_own() -> None:
    assert {provider for provider, _ in OWN_SAMPLES} == PROVIDERS.keys()


@pytest.mark.parametrize("provider", PROVIDERS)
def test_every_sample_has_its_events(provider: str) -> None:
    files = {file.name for file in (OWN / provider).iterdir()} - {"expected.json"}
    assert files == {name for of, name in OWN_SAMPLES if of == provider}


@pytest.mark.parametrize(("provider", "name"), OWN_SAMPLES)
def test_sample_becomes_its_events(provider: str, name: str) -> None:
    """Every column of every event, in order."""
    expected = json.loads((OWN / provider / "expected.json").read_text())[name]
    frame = frame_of_file(provider, OWN / provider / name)
    assert frame.schema == STATUS_COLUMNS
    assert frame.to_dicts() == [whole(event) for event in expected]


@pytest.mark.skipif(not SHARED_SAMPLES, reason="the shared samples are not beside this checkout")
@pytest.mark.parametrize(("provider", "name"), SHARED_SAMPLES)
def test_shared_sample_becomes_its_events(provider: str, name: str) -> None:
    """The samples that other projects check their parsers with."""
    expected = [
        {name: RECEIVED_AT if name == "event_time_ms_utc" and value is None else value for name, value in event.items()}
        for event in SHARED_SAMPLES[provider, name]
    ]
    for event in expected:
        event.pop("note", None)
    rows = frame_of_file(provider, SHARED / provider / name).rename({"event_time": "event_time_ms_utc"}).to_dicts()
    assert [{name: row[name] for name in event} for row, event in zip(rows, expected, strict=True)] == expected
