"""Dead letters: listed by reason, replayed once today's code takes them, never in a loop."""

import json
from pathlib import Path
from typing import Any

import msgspec
import pytest

from flows import dlq
from flows.dead_letters import dead_letter, encode_dead_letter
from flows.mending import DeadLetters, Mended, Selection
from flows.providers import Reason
from flows.topics import Record, open_producer
from flows.triage import ADVICE
from schemas.errors import UsageError
from schemas.events import PAYLOAD_LIMIT_BYTES
from schemas.settings import Settings
from sql import audit
from sql.cli import run
from sql.warehouse import Warehouse
from tests.flows.making import NOW_MS, event, line
from tests.history.test_past import envelope, held_in

GOOD = line(event())
BAD = line(event(message_key="seven"))


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(broker=f"file://{tmp_path / 'topics'}", partitions=2, clock=NOW_MS)


def letter(payload: bytes, topic: str, reason: str = "wrong_shape", **more: Any) -> bytes:
    record = Record(more.pop("partition", 0), more.pop("offset", 1 << 40), 0, payload)
    return encode_dead_letter(dead_letter(reason, "why", topic, record, 0, payload, NOW_MS, **more)).rstrip(b"\n")


def write(settings: Settings, topic: str, *lines: bytes) -> None:
    producer = open_producer(settings)
    producer.partitions(topic)
    producer.append(topic, 0, b"".join(one + b"\n" for one in lines))
    producer.flush()
    producer.close()


def replay(settings: Settings, warehouse: Warehouse, again: bool = False, **selection: Any) -> Mended:
    producer = open_producer(settings)
    try:
        return DeadLetters(settings, warehouse).replay(Selection(**selection), producer, again=again)
    finally:
        producer.close()


def test_what_todays_code_takes_goes_back_where_it_came_from(settings: Settings, tables: Warehouse) -> None:
    """And only once, however often it is asked for; the rest stays open."""
    write(settings, "dlq.status", letter(GOOD, "status.delivered"), letter(BAD, "status.delivered"))
    write(settings, "dlq.webhook", letter(envelope(1), "webhook", "unknown_provider"), letter(b"torn", "webhook"))
    assert replay(settings, tables) == Mended(replayed=2, still_refused=2)
    assert held_in(settings, "status.delivered") == [GOOD]
    assert held_in(settings, "webhook") == [envelope(1)]
    assert replay(settings, tables) == Mended(still_refused=2)
    assert held_in(settings, "webhook") == [envelope(1)]


def test_one_that_comes_back_is_not_sent_round_again(settings: Settings, tables: Warehouse) -> None:
    """A flow of an older version refuses it once more: only --again sends it a second time."""
    write(settings, "dlq.status", letter(GOOD, "status.read"))
    assert replay(settings, tables).replayed == 1
    write(settings, "dlq.status", letter(GOOD, "status.read"))
    assert replay(settings, tables) == Mended(came_back=1)
    assert replay(settings, tables, again=True).replayed == 1
    assert replay(settings, tables, again=True) == Mended()


def test_a_letter_that_holds_only_the_beginning_is_fetched_from_its_origin(
    settings: Settings, tables: Warehouse
) -> None:
    long = line({**event(), "raw_status": "x" * (PAYLOAD_LIMIT_BYTES + 10)})
    fits = envelope(5).replace(b'"body":"', b'"body":"' + b" " * PAYLOAD_LIMIT_BYTES)
    write(settings, "webhook", envelope(4), fits, long)
    one = len(envelope(4)) + 1
    write(settings, "dlq.webhook", letter(fits, "webhook", "parser_failed", offset=(1 << 40) + one))
    write(settings, "dlq.webhook", letter(fits + b" ", "webhook", "parser_failed", offset=(7 << 40)))
    assert replay(settings, tables) == Mended(replayed=1, no_longer_whole=1)
    assert held_in(settings, "webhook")[-1] == fits


def test_a_selection(settings: Settings, tables: Warehouse) -> None:
    write(
        settings,
        "dlq.webhook",
        letter(envelope(1), "webhook", "parser_failed", provider="twilio"),
        letter(envelope(2), "webhook", "parser_failed", provider="ses"),
        letter(envelope(3), "webhook", "unknown_provider", provider="ses"),
    )
    letters = DeadLetters(settings, tables)
    first = next(letters.open_letters(Selection()))[0].id
    assert len(list(letters.open_letters(Selection(reason="parser_failed")))) == 2
    assert len(list(letters.open_letters(Selection(topic="dlq.status")))) == 0
    assert len(list(letters.open_letters(Selection(to_ms=NOW_MS)))) == 0
    assert replay(settings, tables, provider="ses", reason="parser_failed").replayed == 1
    assert letters.discard(Selection(ids=frozenset([first]))) == 1
    (row,) = letters.summary(Selection())
    assert (row["reason"], row["letters"], row["taken_today"], row["providers"]) == ("unknown_provider", 1, 1, ["ses"])


def test_what_the_sender_could_not_use_it_alone_can_try_again(settings: Settings, tables: Warehouse) -> None:
    write(settings, "dlq.send", letter(b"row 7", "audience", "unrenderable"))
    assert replay(settings, tables) == Mended(only_by_sender=1)


@pytest.fixture
def environment(settings: Settings, tables: Warehouse, monkeypatch: pytest.MonkeyPatch) -> Settings:
    """For the command."""
    for name, text in {"BROKER": settings.broker, "CLICKHOUSE": str(tables), "CLOCK": str(NOW_MS)}.items():
        monkeypatch.setenv(f"TIDEMARK_{name}", text)
    return settings


def test_the_command(environment: Settings, tables: Warehouse, capsys: pytest.CaptureFixture[str]) -> None:
    def command(*arguments: str) -> str:
        dlq.main(list(arguments))
        return capsys.readouterr().out

    assert command("list") == "no dead letter is open\n"
    write(environment, "dlq.webhook", letter(envelope(1), "webhook", "unknown_provider", provider="ses"))
    write(environment, "dlq.webhook", letter(b"\xff\xfe", "webhook", "bad_envelope"))
    listed = json.loads(command("list", "--json"))
    assert (listed["open"], len(listed["reasons"])) == (2, 2)
    assert "1 would be taken today" in command("list")
    shown = json.loads(command("show", "--json", "--reason", "unknown_provider"))["letters"]
    assert shown[0]["payload"].encode() == envelope(1)
    assert "today's code refuses it" in command("show", "--reason", "bad_envelope")
    assert json.loads(command("replay", "--json"))["replayed"] == 1
    assert json.loads(command("discard", "--json", "--all")) == {"discarded": 1}
    assert command("list") == "no dead letter is open\n"
    log = audit.entries(tables)
    assert [(entry.action, entry.subject) for entry in log] == [("replay", "dead letters"), ("discard", "dead letters")]
    assert '"letters":1' in log[0].details


def test_nothing_is_discarded_without_saying_what(environment: Settings) -> None:  # noqa: ARG001
    with pytest.raises(UsageError, match="--all"):
        dlq.main(["discard"])
    assert run("flows.dlq", lambda: dlq.main(["list", "--from", "5"])) == 2


def test_every_reason_that_flows_give_has_its_advice() -> None:
    in_status = {"wrong_shape", "invalid_json", "invalid_utf8", "out_of_range", "too_large", "no_identity"}
    assert {*Reason, *in_status, "time_out_of_range"} == set(ADVICE)
    assert msgspec.json.encode(ADVICE)
