"""Whatever arrives becomes events within the contract or one dead letter; whatever claims to be signed is judged."""

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from flows.providers import PROVIDERS, BodyReader, Reason, Request, Signed, Verdict
from flows.providers.signing import FORM, JSON, TEXT
from tests.providers.fuzz import fuzz_parsers, fuzz_verifiers, samples
from tests.providers.signed import COVERS_BODY

NAMES = sorted(
    {"MessageSid", "MessageStatus", "status", "messageId", "message_uuid", "event", "email", "timestamp", "results"}
    | {"type", "payload", "entry", "response", "Type", "Message", "mail", "request", "id", "to", "error", "data"}
)
SCALARS = st.none() | st.booleans() | st.integers(-(2**70), 2**70) | st.floats() | st.text(max_size=20)
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(NAMES) | st.text(), inner),
    max_leaves=12,
)
CONTENT_TYPES = st.sampled_from(["", JSON, FORM, TEXT, "text/html; charset=x", "é"])


@pytest.mark.parametrize("provider", PROVIDERS)
@given(
    body=st.text() | VALUES.map(json.dumps) | st.lists(VALUES).map(json.dumps),
    url=st.text(max_size=60) | st.just("/?tidemark=c~1~1~1&status=sent&id=1"),
    content_type=CONTENT_TYPES,
)
def test_anything_is_events_or_one_dead_letter(provider: str, body: str, url: str, content_type: str) -> None:
    reader = BodyReader(PROVIDERS[provider])
    request = Request(receipt_id="r", provider=provider, received_at=5, url=url, content_type=content_type, body=body)
    reader.read([request])
    frame, refused = reader.events()
    assert frame.is_empty() or not refused
    assert all(refusal.bad.reason != Reason.PARSER_FAILED for refusal in refused.values()), refused


@pytest.mark.parametrize("case", COVERS_BODY, ids=lambda case: case.provider)
@settings(max_examples=30)
@given(
    method=st.sampled_from(["GET", "POST"]),
    url=st.text(max_size=60)
    | st.sampled_from(["https://[x?hub.mode=subscribe&hub.verify_token=t", "http://h:x/?sig=1"]),
    headers=st.dictionaries(
        st.sampled_from(sorted({name for provider in PROVIDERS.values() for name in provider.hook.headers})),
        st.text(max_size=80)
        | st.from_regex(r"(Bearer |Basic )?[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_=-]*", fullmatch=True),
    ),
    body=st.binary(max_size=80) | VALUES.map(lambda value: json.dumps(value).encode()),
    token=st.text(max_size=10),
)
def test_nothing_verifies_by_chance(
    case: Any, method: str, url: str, headers: dict[str, str], body: bytes, token: str
) -> None:
    """And no exception escapes."""
    hook = PROVIDERS[case.provider].hook
    signed = Signed(method=method, url=url, headers=headers, body=body, token=token, now_s=1.0)
    assert hook.verify(signed, [hook.key(case.secret)]) is not Verdict.VALID
    assert hook.challenge is None or hook.challenge(signed) is None


def test_mutated_samples() -> None:
    """Some thousands, of every provider's samples; `python -m tests.providers.fuzz` makes a million."""
    found = fuzz_parsers(8_000, seed=5)
    assert found["events"] > 1_000
    assert found[Reason.INVALID_JSON] > 1_000
    assert found[Reason.WRONG_SHAPE] > 100


def test_mutated_signed_requests() -> None:
    """One that still holds says what was signed, as with white space between the fields that SNS signs."""
    found = fuzz_verifiers(4_000, seed=5)
    assert found["wrong"] > 3_000
    assert found["valid"] > 0


def test_mutations_begin_with_samples_of_every_provider() -> None:
    assert {sample.provider for sample in samples()} == PROVIDERS.keys()


@pytest.mark.parametrize(
    ("provider", "body", "said"),
    [
        ("twilio", "MessageStatus=sent", "MessageSid"),
        ("twilio", '[{"type":"com.twilio.messaging.message.sent","data":{"messageSid":"x"}}]', "messageStatus"),
        ("sendgrid", '[{"event":"open","email":"a","timestamp":"soon"}]', "timestamp"),
        ("sendgrid", '[{"event":"open","email":7}]', "$[0].email"),
        ("ses_sns", '{"Type":"Notification","Message":"{\\"eventType\\":\\"Send\\"}"}', "mail"),
        ("ses_sns", '{"Type":7}', "$.Type"),
        ("ses_sns", '{"eventType":"Send"}', "Type"),
        ("infobip", '{"results":[{"messageId":"m","status":{}}]}', "results[0].status.name"),
        ("infobip", '{"results":[{"status":{"name":"X"}}]}', "results[0].messageId"),
        ("infobip", '{"results":[{"messageId":"m","status":{"name":"X"},"doneAt":"never"}]}', "doneAt"),
        ("vonage", "status=delivered", "messageId"),
        ("vonage", "status=delivered&messageId=1&message-timestamp=2026", "message-timestamp"),
        ("vonage", '{"message_uuid":7,"status":"read"}', "message_uuid"),
        ("gupshup", '{"type":"message-event","payload":{"gsId":"g"}}', "payload.type"),
        ("gupshup", '[{"eventType":"FAILED"}]', "externalId"),
        ("messagebird", "status=sent", "id"),
        ("push", '[{"response":{"status":200}}]', "request.message_id"),
        ("push", '[{"event":"MESSAGE_DELIVERED"}]', "message_id"),
        ("push", '{"event":"X","message_id":"1"}\n{"event":7}', "line 1"),
    ],
)
def test_what_is_wrong_names_the_field(provider: str, body: str, said: str) -> None:
    reader = BodyReader(PROVIDERS[provider])
    reader.read([Request(receipt_id="r", provider=provider, received_at=5, body=body)])
    [refusal] = reader.events().refused.values()
    assert said in refusal.bad.detail
