"""Meta bodies that cannot be used are refused whole, each with its reason; odd ones that can be used are used."""

import json
from typing import Any

import pytest

from flows.providers import MAX_BODY_BYTES, PROVIDERS, BodyReader, Reason, Request
from flows.providers.bodies import MAX_REPORTS
from tests.providers.bodies import RECEIVED_AT, frame_of, outcome_of, reason_of

GOOD = {"id": "wamid.A", "status": "sent", "timestamp": "1793400000", "recipient_id": "1"}


def body(*statuses: dict[str, Any]) -> str:
    return json.dumps({"entry": [{"changes": [{"field": "messages", "value": {"statuses": statuses}}]}]})


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", Reason.INVALID_JSON),
        ("{", Reason.INVALID_JSON),
        ("\0", Reason.INVALID_JSON),
        ('{"entry": NaN}', Reason.INVALID_JSON),
        (body(GOOD) + "x", Reason.INVALID_JSON),
        ('{"other":' + "[" * 100_000, Reason.INVALID_JSON),
        ('{"other":"\\ud800"}', Reason.INVALID_JSON),
        ("[]", Reason.WRONG_SHAPE),
        ('{"entry":{}}', Reason.WRONG_SHAPE),
        ('{"entry":[{"changes":[{"value":{}}]}]}', Reason.WRONG_SHAPE),
        (body(GOOD, {"status": "sent"}), Reason.WRONG_SHAPE),
        (body(GOOD, GOOD | {"id": 7}), Reason.WRONG_SHAPE),
        (body(GOOD, GOOD | {"timestamp": "soon"}), Reason.WRONG_SHAPE),
        (body(GOOD, GOOD | {"timestamp": -1}), Reason.WRONG_SHAPE),
        (body(GOOD, GOOD | {"timestamp": 10**300}), Reason.WRONG_SHAPE),
        (body(GOOD, GOOD | {"timestamp": 2**53}), Reason.OUT_OF_RANGE),
        (body(GOOD, GOOD | {"id": "x" * 513}), Reason.OUT_OF_RANGE),
        (body(GOOD, GOOD | {"status": "é" * 129}), Reason.OUT_OF_RANGE),
        (body(GOOD) + " " * MAX_BODY_BYTES, Reason.TOO_LARGE),
        ('{"é":"' + "é" * (MAX_BODY_BYTES // 2) + '"}', Reason.TOO_LARGE),
        (body(*[GOOD] * (MAX_REPORTS + 1)), Reason.TOO_LARGE),
    ],
    ids=lambda value: value[:40] if isinstance(value, str) else None,
)
def test_refused_whole(text: str, reason: Reason) -> None:
    """One wrong status takes the good ones of its body along, and the reason says what was wrong."""
    assert reason_of("meta_whatsapp", text) == reason


@pytest.mark.parametrize("text", ["{}", '{"entry":[{"messaging":[]}]}', body()])
def test_body_without_statuses_gives_none_and_is_no_error(text: str) -> None:
    assert frame_of("meta_whatsapp", text).is_empty()


def test_bounds_are_in_characters() -> None:
    """What fits the contract passes, however many bytes it takes."""
    assert frame_of("meta_whatsapp", body(GOOD | {"status": "é" * 128}))["raw_status"].to_list() == ["é" * 128]


def test_last_of_duplicated_keys_holds() -> None:
    text = body(GOOD).replace('"status": "sent"', '"status": "sent", "status": "read"')
    assert frame_of("meta_whatsapp", text)["status"].to_list() == ["read"]


def test_refused_bodies_harm_no_others() -> None:
    """Among good bodies, one of each kind of refusal costs only itself."""
    bodies = [body(GOOD), "{", body(GOOD, GOOD), body(GOOD, GOOD | {"id": "x" * 513}), body(GOOD | {"id": "last"})]
    frame, reasons = outcome_of("meta_whatsapp", *bodies)
    assert reasons == {1: Reason.INVALID_JSON, 3: Reason.OUT_OF_RANGE}
    assert frame["provider_message_id"].to_list() == ["wamid.A"] * 3 + ["last"]


@pytest.mark.parametrize(
    ("body_base64", "reason"),
    [
        ("/w==", Reason.INVALID_UTF8),
        ("e30", Reason.BAD_ENVELOPE),
        ("é", Reason.BAD_ENVELOPE),
        ("", Reason.INVALID_JSON),
    ],
)
def test_bytes_that_are_no_json_text(body_base64: str, reason: Reason) -> None:
    reader = BodyReader(PROVIDERS["meta_whatsapp"])
    reader.read([Request(receipt_id="r", provider="meta_whatsapp", received_at=RECEIVED_AT, body_base64=body_base64)])
    assert reader.events().refused[0].bad.reason == reason
