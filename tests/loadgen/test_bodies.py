"""Raw bodies have the providers' shapes and sizes, and hold what the lanes would hold."""

import json
from collections import Counter

import msgspec
import pytest

from loadgen.plan import Plan
from schemas.events import Envelope
from tests.loadgen.conftest import START_MS
from tests.loadgen.recount import Recount

PLAN = Plan(messages=20_000, start_ms=START_MS, progress_ms=600_000)


@pytest.fixture(scope="module")
def webhook(play):
    return play(PLAN, "webhook")[0]


@pytest.fixture(scope="module")
def envelopes(webhook):
    envelopes = []
    for line in webhook["webhook"]:
        try:
            envelopes.append(msgspec.json.decode(line, type=Envelope))
        except (msgspec.MsgspecError, UnicodeDecodeError):
            continue
    return envelopes


def test_half_of_the_bodies_hold_one_status_and_the_mean_is_five(webhook):
    sizes = Recount(webhook, PLAN.end_ms).body_sizes
    sizes = [size for size in sizes if size]
    assert 0.46 < Counter(sizes)[1] / len(sizes) < 0.54
    assert 4.5 < sum(sizes) / len(sizes) < 5.5


@pytest.mark.parametrize("exact", [1, 5, 50])
def test_bodies_can_be_made_of_one_size(play, exact):
    """But for the last of each provider, and those spoiled."""
    plan = Plan(
        messages=3_000, start_ms=START_MS, progress_ms=600_000, statuses_per_body=exact, exact_bodies=True, corrupt=0.0
    )
    sizes = Counter(Recount(play(plan, "webhook")[0], plan.end_ms).body_sizes)
    assert sum(count for size, count in sizes.items() if size != exact) <= 2 * 4
    assert sizes[exact] > 50


def test_meta_bodies_have_the_documented_fields(envelopes):
    bodies = [json.loads(envelope.body) for envelope in envelopes if envelope.receipt_id.startswith("meta_whatsapp-")]
    changes = [change for body in bodies for entry in body["entry"] for change in entry["changes"]]
    statuses = [status for change in changes for status in change["value"]["statuses"]]
    assert {body["object"] for body in bodies} == {"whatsapp_business_account"}
    assert all(change["value"]["metadata"]["phone_number_id"] for change in changes)
    assert all(isinstance(status["timestamp"], str) and status["id"].startswith("wamid.") for status in statuses)
    assert {status["status"] for status in statuses} >= {"sent", "delivered", "read", "played", "failed", "warning"}
    assert all(isinstance(status["errors"][0]["code"], int) for status in statuses if status["status"] == "failed")
    assert all("pricing" in status for status in statuses if status["status"] in ("sent", "delivered"))
    assert any("recipient_id" not in status and status["recipient_user_id"] for status in statuses)
    assert any("contacts" in change["value"] for change in changes)


def test_meta_bodies_spread_over_entries_and_changes_and_escape_the_solidus(envelopes):
    raw = [envelope.body for envelope in envelopes if envelope.receipt_id.startswith("meta_whatsapp-")]
    bodies = [json.loads(text) for text in raw]
    assert any(len(body["entry"]) > 1 for body in bodies)
    assert any(len(entry["changes"]) > 1 for body in bodies for entry in body["entry"])
    assert any(r"\/documentation\/business-messaging" in text for text in raw)


def test_canonical_bodies_come_in_all_three_shapes(envelopes):
    bodies = [json.loads(e.body) for e in envelopes if e.provider == "canonical" and e.receipt_id.startswith("acme_")]
    assert Counter(type(body) for body in bodies).keys() == {dict, list}
    assert any("events" in body for body in bodies)
    assert any("status" in body for body in bodies)


def test_a_repeated_body_is_byte_identical_under_another_receipt(envelopes):
    """Or the whole line comes again: our own replay."""
    receipts, lines = {}, Counter()
    for envelope in envelopes:
        receipts.setdefault(envelope.body, set()).add(envelope.receipt_id)
        lines[msgspec.json.encode(envelope)] += 1
    assert any(len(ids) > 1 for ids in receipts.values())
    assert max(lines.values()) > 1


def test_bodies_and_lanes_hold_the_same_statuses(play):
    plain = msgspec.structs.replace(PLAN, messages=3_000, corrupt=0.0)
    of_bodies = Recount(play(plain, "webhook")[0], plain.end_ms)
    of_lanes = Recount(play(plain, "lanes")[0], plain.end_ms)
    assert Counter(of_bodies.known) == Counter(of_lanes.known)
    assert of_bodies.records == of_lanes.records


def test_one_of_each_kind_of_spoiled_line(play):
    """And what is only not meant for us is none of them."""
    for into, kinds in (("webhook", 14), ("lanes", 11)):
        _, expected = play(Plan(messages=500, start_ms=START_MS, progress_ms=600_000), into)
        assert len(expected.dead_letters_by_kind) == kinds
        assert "body_inbound" not in expected.dead_letters_by_kind


def test_some_lines_are_not_utf8(play):
    for into, topic in (("webhook", "webhook"), ("lanes", "outbound")):
        lines, _ = play(Plan(messages=500, start_ms=START_MS, progress_ms=600_000), into)
        assert any(b"\xff" in line for line in lines[topic])
