"""The shortcuts read what is plain exactly as `parse` reads it, and leave all else to it."""

import json
import random
from typing import Any

import polars as pl
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from flows.plain_writer import plain_lines_by_topic
from flows.providers import PROVIDERS, BodyReader, Request
from flows.providers.plain_events import read_plain
from schemas.events import StatusEvent
from schemas.statuses import Status
from schemas.topics import partition_of
from tests.providers.bodies import request
from tests.providers.plain import frame_of_plain

FAST = [name for name, provider in PROVIDERS.items() if provider.shortcuts]
ECHO = "biz_opaque_callback_data"


def meta(*statuses: Any, **change: Any) -> Any:
    changes = [{"value": {"metadata": {"n": [1.5e3, None]}, "statuses": list(statuses)}, "field": "messages"} | change]
    return {"object": "whatsapp_business_account", "entry": [{"id": "1", "changes": changes}]}


META = meta(
    {
        "id": "wamid.A",
        "status": "sent",
        "timestamp": "1793400000",
        "recipient_id": "49",
        "biz_opaque_callback_data": "c~7~2~5",
    },
    {"id": "wamid.B", "status": "failed", "timestamp": 1793400001, "errors": [{"code": 131026, "title": "a/b"}, {}]},
    {"id": "wamid.C", "status": "played", "recipient_user_id": "DE.1", "pricing": {"billable": True}},
    {"id": "wamid.D", "status": "other", "timestamp": None, ECHO: "someone else's"},
)
EVENT = {"campaign_id": "c", "message_key": 3, "status": "read", "event_time": 1_793_400_000_000, "channel": "sms"}
CANONICAL: list[Any] = [EVENT, [EVENT, {"status": "odd", "provider_message_id": "p"}], {"events": [EVENT]}, []]


def slowly(provider: str, bodies: list[str]) -> tuple[pl.DataFrame, list[int]]:
    reader = BodyReader(PROVIDERS[provider])
    reader.read([request(provider, body) for body in bodies])
    frame, refused = reader.events()
    return frame, sorted(refused)


def agree(provider: str, bodies: list[str]) -> int:
    """How many bodies were left."""
    plain, left = read_plain(PROVIDERS[provider], [request(provider, body) for body in bodies])
    others, refused = slowly(provider, [bodies[place] for place in left])
    expected, all_refused = slowly(provider, bodies)
    found = pl.concat([frame_of_plain(plain), others])
    assert sorted(found.rows(), key=str) == sorted(expected.rows(), key=str)
    assert [left[place] for place in refused] == all_refused
    return len(left)


def test_ordinary_bodies_are_plain() -> None:
    """Compact and spaced out; else the test below would compare nothing."""
    for separators in ((",", ":"), (", ", ": ")):
        assert agree("meta_whatsapp", [json.dumps(META, separators=separators)] * 2) == 0
        assert agree("canonical", [json.dumps(body, separators=separators, indent=1) for body in CANONICAL]) == 0


ECHOES = [
    *("c~1~1~1", "c~1~0~1", "c~1~256~1", "~1~1~1", "c~1~1~99999999999999999", "c~01~001~0", ".c~1~1~1", "c d~1~1~1"),
    *("c" * 65 + "~1~1~1", "c~9223372036854775807~1~1", "c~9223372036854775808~1~1"),
]
CODES = [[{"code": "131026"}], [{"code": None}, 3], [{"code": 1, "x": "😀"}], {"code": 1}, [{}], [None], [], {}]
NUMBERS = [-1, 0, 1.0, 1e300, 2**53, 10**15, 10**18, 10**19]
TEXTS = ["", "007", "12", "-3", "null", "1.5", "é", "\\", '"', "a\nb", "x" * 129, "x" * 513]
STRANGE = st.sampled_from([None, True, *NUMBERS, *TEXTS, *ECHOES, *CODES])
NAMES = [
    *StatusEvent.__struct_fields__,
    "events",
    "id",
    "timestamp",
    "errors",
    "type",
    "recipient_type",
    "recipient_id",
]
PIECES = ["", *'"\\{}[],:0-e\té \0', "\\u00e9", "null", "true", '"id":']


def places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """The paths of all that lies in a document."""
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [path, *(found for key, part in inner for found in places(part, (*path, key)))]


def changed(document: Any, path: tuple[Any, ...], value: Any) -> Any:
    if not path:
        return value
    copy = dict(document) if isinstance(document, dict) else list(document)
    copy[path[0]] = changed(copy[path[0]], path[1:], value)
    return copy


NAMES = [
    *StatusEvent.__struct_fields__,
    "events",
    "id",
    "timestamp",
    "errors",
    "type",
    "recipient_type",
    "recipient_id",
]


@given(st.data(), STRANGE, st.sampled_from(FAST))
def test_any_value_anywhere(data: st.DataObject, value: Any, provider: str) -> None:
    """In place of any value of an ordinary body, or beside it under any name."""
    document = META if provider == "meta_whatsapp" else data.draw(st.sampled_from(CANONICAL))
    path = data.draw(st.sampled_from(places(document)))
    whole = changed(document, path, value)
    beside = data.draw(st.sampled_from(places(document)))
    target = document
    for key in beside:
        target = target[key]
    more = (
        changed(document, beside, {**target, data.draw(st.sampled_from(NAMES)): value})
        if isinstance(target, dict)
        else []
    )
    agree(provider, [json.dumps(body, ensure_ascii=data.draw(st.booleans())) for body in (whole, more, document)])


@given(st.integers(0, 2**32), st.sampled_from(FAST))
@example(0, "meta_whatsapp")
def test_any_bytes_changed(seed: int, provider: str) -> None:
    """Characters of an ordinary body taken out, put in, doubled: torn JSON, names that come twice, odd numbers."""
    chance = random.Random(seed)
    documents = [META] if provider == "meta_whatsapp" else CANONICAL
    bodies = []
    for _ in range(20):
        text = json.dumps(chance.choice(documents), separators=chance.choice([(",", ":"), (", ", ": ")]))
        for _ in range(chance.randint(1, 3)):
            at, length = chance.randrange(len(text) + 1), chance.choice([0, 1, 1, 20])
            piece = chance.choice([*PIECES, text[at : at + 40]])
            text = text[:at] + piece + text[at + length :]
        bodies.append(text)
    agree(provider, bodies)


@pytest.mark.parametrize("partitions", [1, 3, 16])
def test_lines_go_to_the_partition_of_their_message(partitions: int) -> None:
    """The same that other writers of the topic compute, with our ids and without; each in its lane's topic."""
    statuses = [{"id": f"wamid.{n}", "status": raw} for n in range(20) for raw in ("sent", "read", "delivered")]
    own = [status | {ECHO: f"c{n % 3}~{n}~1~5"} for n, status in enumerate(statuses)]
    [events], left = read_plain(
        PROVIDERS["meta_whatsapp"], [request("meta_whatsapp", json.dumps(meta(*statuses, *own)))]
    )
    assert left == []
    seen = 0
    for topic, partition, lines in plain_lines_by_topic(events, partitions):
        for event in map(json.loads, lines.splitlines()):
            named = ("campaign_id" in event) and (event["campaign_id"], event["message_key"])
            name, number = named or (f"meta_whatsapp\0{event['provider_message_id']}", 0)
            assert partition == partition_of(name, number, partitions)
            assert topic == Status(event["status"]).lane.topic
            seen += 1
    assert seen == 120


def test_no_plain_body_no_lines() -> None:
    assert read_plain(PROVIDERS["canonical"], []) == ([], [])
    assert read_plain(PROVIDERS["canonical"], [request("canonical", "{")]) == ([], [0])


def test_a_receipt_that_needs_escapes_leaves_all() -> None:
    good = request("canonical", json.dumps(EVENT))
    odd = Request(receipt_id='"', provider="canonical", received_at=1, body="[]")
    assert read_plain(PROVIDERS["canonical"], [good, odd]) == ([], [0, 1])
