"""Each envelope line gives its events or one dead letter, whatever it holds and whatever lies beside it."""

import base64
import json
from collections import Counter
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from flows.dead_letters import dead_letter, encode_dead_letter
from flows.envelopes import Parsed, parse_envelopes
from flows.providers import PROVIDERS, Reason
from flows.topics import Record
from schemas.columns import STATUS_COLUMNS
from schemas.events import PAYLOAD_LIMIT_BYTES, DeadLetter, StatusEvent
from tests.providers.plain import all_events

RECEIVED_AT = 1_793_500_000_000
SAMPLES = sorted((Path(__file__).parent / "providers" / "samples").glob("*/[!e]*.json"))
REASONS = set(Reason)


def envelope(body: str | bytes, provider: str = "meta_whatsapp", **fields: Any) -> bytes:
    """One line as the receiver writes it, without its end."""
    text = {"body": body} if isinstance(body, str) else {"body_base64": base64.b64encode(body).decode()}
    known = {"receipt_id": "r", "provider": provider, "received_at": RECEIVED_AT, "headers": {"x-signature": "s"}}
    return json.dumps(known | text | fields).encode()


def meta(*ids: str) -> str:
    statuses = [{"id": name, "status": "sent", "timestamp": "1793400000"} for name in ids]
    return json.dumps({"entry": [{"changes": [{"field": "messages", "value": {"statuses": statuses}}]}]})


def parse(*values: bytes) -> Parsed:
    """Each value as a record of partition 3, at offsets 100, 101, …; plain events are among the others."""
    records = [Record(3, 100 + place, 0, value) for place, value in enumerate(values)]
    return together(parse_envelopes(records, "webhook", failed_at=RECEIVED_AT + 1))


def together(parsed: Parsed) -> Parsed:
    assert parsed.events.schema == STATUS_COLUMNS
    return parsed._replace(plain=[], events=all_events(parsed))


def ids(parsed: Parsed) -> list[str]:
    return parsed.events["provider_message_id"].to_list()


def origins(parsed: Parsed) -> list[tuple[str, int, int]]:
    return [(letter.reason, letter.offset, letter.line) for letter in parsed.dead_letters]


def test_nothing_gives_nothing() -> None:
    for parsed in (parse(), parse(b""), parse(b"\n"), parse(b" \n\t\r\n\n")):
        assert parsed.events.is_empty()
        assert parsed.dead_letters == []


def test_events_keep_the_order_of_lines_over_records() -> None:
    """With and without a newline at a record's end, one line a record and several, across many chunks."""
    lines = [envelope(meta(f"m{n}", f"m{n}b") + " " * 2000) for n in range(600)]
    whole = parse(lines[0], b"\n".join(lines[1:400]) + b"\n", b"\n".join(lines[400:]))
    assert ids(whole) == [name for n in range(600) for name in (f"m{n}", f"m{n}b")]
    assert whole.dead_letters == []


def test_providers_mixed() -> None:
    """Providers side by side in one run of lines; an unknown one is a dead letter that names those there are."""
    canonical = json.dumps({"status": "read", "provider_message_id": "c1"})
    parsed = parse(
        b"\n".join(
            [envelope(meta("m1")), envelope(canonical, "canonical"), envelope("{}", "nobody"), envelope(meta("m2"))]
        )
    )
    assert sorted(ids(parsed)) == ["c1", "m1", "m2"]
    assert origins(parsed) == [(Reason.UNKNOWN_PROVIDER, 100, 2)]
    assert all(name in parsed.dead_letters[0].detail for name in ("nobody", *PROVIDERS))


@pytest.mark.parametrize(
    "bad",
    [
        b"{",
        b"null",
        b"\xff",
        b"\0",
        b'{"receipt_id":"r","provider":"canonical","received_at":NaN}',
        b'{"receipt_id":"r","provider":"canonical"}',
        b'{"receipt_id":"r","provider":"canonical","received_at":-1,"body":"[]"}',
        b'{"receipt_id":"r","provider":"canonical","received_at":9e99,"body":"[]"}',
        b'{"receipt_id":"r","provider":"canonical","received_at":1,"body":7}',
        b'{"receipt_id":"r","provider":"canonical","received_at":1,"body":"\\ud800"}',
        b'{"receipt_id":"\xff","provider":"canonical","received_at":1,"body":"[]"}',
        b'{"x":' + b"[" * 100_000,
        envelope("[]", "canonical") * 2,
        envelope("[]", "canonical", receipt_id="x" * 513),
    ],
    ids=lambda line: repr(line[:60]),
)
def test_bad_line_among_thousands_costs_only_itself(bad: bytes) -> None:
    """One dead letter with its origin and payload; all others arrive, also those of the same record."""
    good = [envelope(meta(f"m{n}")) for n in range(3000)]
    parsed = parse(b"\n".join(good[:1000]), b"\n".join([*good[1000:2000], bad, *good[2000:]]))
    assert ids(parsed) == [f"m{n}" for n in range(3000)]
    [letter] = parsed.dead_letters
    assert (letter.reason, letter.topic, letter.partition) == (Reason.BAD_ENVELOPE, "webhook", 3)
    assert (letter.offset, letter.line, letter.failed_at) == (101, 1000, RECEIVED_AT + 1)
    assert payload_of(letter) == bad
    assert letter.provider is letter.received_at is letter.receipt_id is None


def payload_of(letter: DeadLetter) -> bytes:
    return base64.b64decode(letter.payload_base64) if letter.payload is None else letter.payload.encode()


@pytest.mark.parametrize("gap", ["", " "])
@pytest.mark.parametrize(
    ("before", "behind"), [(b", ", b",\n"), (b'}, "provider', b'}\n, "provider'), (b": {", b":\n{")]
)
def test_two_objects_on_a_line_do_not_make_up_for_one_on_two(gap: str, before: bytes, behind: bytes) -> None:
    """Counting objects would find one a line; each of the three lines is a dead letter all the same."""
    line = b'{"headers": {"a": "b"}, "provider": "meta_whatsapp", "receipt_id": "r", "received_at": 1, "body": "{}"}'
    torn = line.replace(before, behind, 1)
    assert torn.count(b"\n") == 1
    parsed = parse(b"\n".join([line + gap.encode() + line, torn, envelope(meta("m2"))]))
    assert ids(parsed) == ["m2"]
    assert [letter.line for letter in parsed.dead_letters] == [0, 1, 2]


def test_refused_body_tells_what_the_envelope_knew() -> None:
    """Provider, receipt and receive time; blank lines before it count as lines."""
    line = envelope(b"\xff", receipt_id="receipt-9")
    parsed = parse(b"\n\n" + envelope(meta("m1")) + b"\n" + line + b"\n", line)
    assert ids(parsed) == ["m1"]
    assert origins(parsed) == [(Reason.INVALID_UTF8, 100, 3), (Reason.INVALID_UTF8, 101, 0)]
    letter = parsed.dead_letters[0]
    assert (letter.provider, letter.received_at, letter.receipt_id) == ("meta_whatsapp", RECEIVED_AT, "receipt-9")
    assert letter.payload == line.decode()
    assert letter.payload_bytes == len(line)


def test_record_that_was_cut_is_one_dead_letter() -> None:
    """A line beyond what a reader takes: its beginning is kept, its true size told."""
    good = envelope(meta("m1"))
    cut = Record(0, 7, 0, b"{\n{" + b"x" * 100, oversized=99_000_000)
    parsed = together(parse_envelopes([Record(0, 6, 0, good), cut, Record(0, 8, 0, b"{\n" + good)], "webhook", 1))
    assert ids(parsed) == ["m1", "m1"]
    assert origins(parsed) == [(Reason.TOO_LARGE, 7, 0), (Reason.BAD_ENVELOPE, 8, 0)]
    assert parsed.dead_letters[0].payload_bytes == 99_000_000


@pytest.mark.parametrize(
    ("payload", "kept"),
    [
        (b"x" * (PAYLOAD_LIMIT_BYTES + 1), PAYLOAD_LIMIT_BYTES),
        ("é".encode() * PAYLOAD_LIMIT_BYTES, PAYLOAD_LIMIT_BYTES),
        (b"x" + "é".encode() * PAYLOAD_LIMIT_BYTES, PAYLOAD_LIMIT_BYTES - 1),
        ("😀".encode() * PAYLOAD_LIMIT_BYTES, PAYLOAD_LIMIT_BYTES),
        (b"xyz" + "😀".encode() * PAYLOAD_LIMIT_BYTES, PAYLOAD_LIMIT_BYTES - 1),
        (b"\xff" * (PAYLOAD_LIMIT_BYTES + 1), PAYLOAD_LIMIT_BYTES),
        ("é".encode() * 3 + b"\xff", 7),
    ],
    ids=lambda value: repr(value[:5]) if isinstance(value, bytes) else None,
)
def test_payload_is_cut_at_the_limit(payload: bytes, kept: int) -> None:
    """Text stays text where the cut falls into a character; other bytes go as base64; the line decodes to the same."""
    letter = dead_letter("why", "d" * 10_000, "t", Record(1, 2, 0, b""), 3, payload, 4, provider="p")
    line = encode_dead_letter(letter)
    assert line.endswith(b"}\n")
    assert line.count(b"\n") == 1
    assert msgspec.json.decode(line, type=DeadLetter) == letter
    assert payload_of(letter) == payload[:kept]
    assert letter.payload_bytes == len(payload)
    assert len(letter.detail) < 1000


def test_detail_says_what_and_where() -> None:
    [letter] = parse(envelope(meta("m1").replace('"sent"', "7"))).dead_letters
    assert "statuses[0].status" in letter.detail


def outcome_of_each(*lines: bytes) -> None:
    """The law of this module, for lines between two good ones."""
    good = envelope(meta("good"))
    parsed = parse(good, b"\n".join(lines), good)
    assert parsed.events["receipt_id"].null_count() == 0
    assert ids(parsed).count("good") == 2
    refused = Counter(line for _, offset, line in origins(parsed) if offset == 101)
    assert all(count == 1 for count in refused.values())
    assert {letter.reason for letter in parsed.dead_letters} <= REASONS - {Reason.PARSER_FAILED}
    msgspec.convert(parsed.events.to_dicts(), list[StatusEvent])
    for number, line in enumerate(lines):
        alone = parse(line)
        assert len(alone.dead_letters) == refused[number]
        assert alone.events.is_empty() or not alone.dead_letters


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text()
    | st.sampled_from(["sent", "messages", "1793400000", 2**53, 2**63, 10**400, "\0", "x" * 600, "a~1~1~1"]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                [
                    "entry",
                    "changes",
                    "field",
                    "value",
                    "statuses",
                    "id",
                    "status",
                    "timestamp",
                    "errors",
                    "code",
                    "events",
                    "type",
                ]
            )
            | st.sampled_from(STATUS_COLUMNS.names())
            | st.text(max_size=3),
            inner,
            max_size=4,
        )
    ),
    max_leaves=12,
)


@given(st.lists(st.tuples(st.sampled_from(["meta_whatsapp", "canonical"]), JSON), min_size=1, max_size=4))
def test_any_json_body(bodies: list[tuple[str, Any]]) -> None:
    outcome_of_each(*(envelope(json.dumps(body), provider) for provider, body in bodies))


@given(
    JSON, st.sampled_from(["id", "status", "timestamp", "recipient_id", "errors", "biz_opaque_callback_data", "type"])
)
def test_any_value_in_a_field_of_a_status(value: Any, field: str) -> None:
    body = json.loads(meta("m1", "m2"))
    body["entry"][0]["changes"][0]["value"]["statuses"][1][field] = value
    outcome_of_each(envelope(json.dumps(body)))


@settings(deadline=None)
@given(st.data())
def test_samples_with_bytes_changed(data: st.DataObject) -> None:
    """In the body, then in the envelope's line: bytes replaced, dropped, doubled, at any place."""
    sample = data.draw(st.sampled_from(SAMPLES))
    body = mutated(data, sample.read_bytes())
    line = mutated(data, envelope(body, sample.parent.name))
    outcome_of_each(*line.replace(b"\r", b" ").split(b"\n"))


def mutated(data: st.DataObject, original: bytes) -> bytes:
    changed = bytearray(original)
    for _ in range(data.draw(st.integers(0, 3))):
        at = data.draw(st.integers(0, len(changed)))
        length = data.draw(st.integers(0, 3))
        changed[at : at + length] = data.draw(st.binary(max_size=3) | st.sampled_from([b'"', b"}", b"\\", b"0", b"{}"]))
    return bytes(changed)
