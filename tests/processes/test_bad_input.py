"""Bad input is data: each bad record becomes one dead letter that says why, and nothing else is harmed."""

import base64
import json

import numpy as np

from loadgen.lanes import status_lines
from schemas.statuses import Lane
from tests.parts.flows import START_MS, Pipeline

BATCH = 50_000
BAD_LINE = b'{"campaign_id":"lanes","message_key":"seven","status":"delivered"}'


def _envelope(receipt_id: str, provider: str, body: str) -> bytes:
    envelope = {"receipt_id": receipt_id, "provider": provider, "received_at": START_MS, "body": body}
    return json.dumps(envelope, separators=(",", ":")).encode()


def test_one_bad_line_of_fifty_thousand(pipeline: Pipeline) -> None:
    good = [
        line for _, run in status_lines("delivered", np.arange(BATCH - 1), START_MS, 1) for line in run.splitlines()
    ]
    pipeline.append(Lane.DELIVERED.topic, *good[:30_000], BAD_LINE, *good[30_000:])
    pipeline.settle(pipeline.start("status"))
    assert pipeline.number("SELECT uniqExact(message_key) FROM status_events") == BATCH - 1
    (letter,) = (json.loads(line) for line in pipeline.lines("dlq.status"))
    assert letter["reason"] == "wrong_shape"
    assert letter["topic"] == Lane.DELIVERED.topic
    assert letter["payload"].encode() == BAD_LINE
    assert letter["payload_bytes"] == len(BAD_LINE)


def test_bad_bodies_keep_reason_provider_time_and_payload(pipeline: Pipeline) -> None:
    event = {"campaign_id": "c", "message_key": 1, "status": "read", "event_time": START_MS, "provider": "canonical"}
    bad = {
        "r-stranger": _envelope("r-stranger", "nobody", "{}"),
        "r-torn": _envelope("r-torn", "meta_whatsapp", '{"object":'),
        "r-shape": _envelope("r-shape", "canonical", json.dumps(event | {"message_key": "seven"})),
    }
    not_utf8, not_json = b'{"receipt_id":"\xff"}', b"not json"
    good = _envelope("r-good", "canonical", json.dumps(event))
    pipeline.append("webhook", *bad.values(), not_utf8, good, not_json)
    pipeline.settle(pipeline.start("route"), pipeline.start("status"))
    letters = [json.loads(line) for line in pipeline.lines("dlq.webhook")]
    by_receipt = {letter["receipt_id"]: letter for letter in letters if "receipt_id" in letter}
    assert by_receipt.keys() == bad.keys()
    for receipt_id, line in bad.items():
        letter = by_receipt[receipt_id]
        assert letter["provider"] == json.loads(line)["provider"]
        assert letter["received_at"] == START_MS
        assert letter["payload"].encode() == line
        assert letter["reason"]
    without = [letter for letter in letters if "receipt_id" not in letter]
    assert {_payload(letter) for letter in without} == {not_utf8, not_json}
    assert len(letters) == len(bad) + 2
    assert pipeline.number("SELECT count() FROM v_events") == 1


def _payload(letter: dict[str, str]) -> bytes:
    return base64.b64decode(letter["payload_base64"]) if "payload_base64" in letter else letter["payload"].encode()
