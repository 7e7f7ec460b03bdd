"""Topics read again, archived and restored: the same lines, from files and from Kafka."""

import json
from collections.abc import Iterable
from itertools import count
from pathlib import Path

import msgspec
import pytest

from flows.archive import main as archive_main
from flows.history.archive import Archive
from flows.history.past import Past
from flows.history.replay import Replay, Replayed
from flows.history.span import Span, parse_span, start_of
from flows.replay import main as replay_main
from flows.topics import Record, open_producer
from schemas.errors import TopicError, TopicUnknown, UsageError
from schemas.settings import Settings
from schemas.times import utc_text
from sql import audit
from sql.warehouse import Warehouse
from tests.flows.making import NOW_MS, event, line
from tests.parts.kafka import KafkaBroker

_numbers = count()


@pytest.fixture(params=["file", "kafka"])
def settings(request: pytest.FixtureRequest, tmp_path: Path) -> Settings:
    if request.param == "file":
        return Settings(broker=f"file://{tmp_path / 'topics'}", partitions=3, clock=NOW_MS)
    broker: KafkaBroker = request.getfixturevalue("kafka")
    return Settings(broker=broker.dsn, partitions=3, clock=NOW_MS)


@pytest.fixture
def topic() -> str:
    return f"past-{next(_numbers)}"


def envelope(number: int, received_at: int = NOW_MS - 4_000) -> bytes:
    body = json.dumps(event(message_key=number, received_at=None))
    told = {"receipt_id": f"r-{number}", "provider": "canonical", "received_at": received_at, "body": body}
    return msgspec.json.encode(told)


def write(settings: Settings, topic: str, *lines: bytes, partition: int = 0) -> None:
    producer = open_producer(settings)
    producer.partitions(topic)
    for one in lines:
        producer.append(topic, partition, one + b"\n")
    producer.flush()
    producer.close()


def held(past: Past) -> list[bytes]:
    return [one for records in past.polls() for record in records for one in record.value.splitlines()]


def held_in(settings: Settings, topic: str) -> list[bytes]:
    return held(Past(settings, topic))


def test_all_there_is_and_then_what_came_since(settings: Settings, topic: str) -> None:
    for partition in range(3):
        write(settings, topic, *(b'{"n":%d}' % number for number in range(50)), partition=partition)
    past = Past(settings, topic)
    assert len(held(past)) == 150
    assert held(past) == []
    write(settings, topic, b'{"n":"new"}')
    assert held(past) == [b'{"n":"new"}']
    assert held(Past(settings, topic, partition=2)) == [b'{"n":%d}' % number for number in range(50)]


def test_a_topic_that_is_none(settings: Settings) -> None:
    with pytest.raises(TopicUnknown):
        held(Past(settings, "no-such-topic"))


def test_an_archive_gives_every_line_back_with_its_place(settings: Settings, topic: str, tmp_path: Path) -> None:
    """Over several runs, each adding what is new; places and partitions are those of the topic."""
    lines = [b'{"at":%d,"t":"\xc3\xa4"}' % number for number in range(40)] + [b"not json", b"\xff\xfe"]
    write(settings, topic, *lines[:30])
    archive = Archive(str(tmp_path / "kept"), topic)
    assert sum(file.rows for file in archive.extend(settings)) == 30
    assert archive.extend(settings) == []
    write(settings, topic, *lines[30:], partition=1)
    assert sum(file.rows for file in archive.extend(settings)) == 12
    back = [record for records in Archive(str(tmp_path / "kept"), topic).records() for record in records]
    assert [record.value for record in back] == [one + b"\n" for one in lines]
    places = {
        (record.partition, record.place + number)
        for records in Past(settings, topic).polls()
        for record in records
        for number, _ in enumerate(record.value.splitlines())
    }
    assert {(record.partition, record.place) for record in back} == places
    files = archive.verify()
    assert (files[0].received_from, files[0].received_to) == (0, 29)


@pytest.mark.parametrize("damage", ["bit", "cut", "gone", "manifest"])
def test_a_damaged_archive_is_told_and_gives_nothing(tmp_path: Path, damage: str) -> None:
    settings = Settings(broker=f"file://{tmp_path / 'topics'}", partitions=1)
    write(settings, "webhook", *(envelope(number) for number in range(20)))
    archive = Archive(str(tmp_path / "kept"), "webhook")
    archive.extend(settings)
    file = tmp_path / "kept" / "webhook" / ("manifest.json" if damage == "manifest" else "0000001.parquet")
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 1
    match damage:
        case "bit":
            file.write_bytes(content)
        case "cut" | "manifest":
            file.write_bytes(content[:-7])
        case "gone":
            file.unlink()
    with pytest.raises(TopicError, match=r"kept/webhook"):
        archive.verify()
    with pytest.raises(TopicError, match=r"kept/webhook"):
        list(archive.records())


def test_a_store_that_is_none_is_refused() -> None:
    with pytest.raises(UsageError, match="nosuch://x"):
        Archive("nosuch://x", "webhook")


def replay(settings: Settings, topic: str, span: Span, polls: Iterable[list[Record]] | None = None) -> Replayed:
    producer = open_producer(settings)
    try:
        return Replay(settings, topic, producer, 0).run(
            polls or Past(settings, topic).polls(), span, lambda _line: None
        )
    finally:
        producer.close()


def in_lane(settings: Settings, lane: str) -> list[int]:
    return sorted(msgspec.json.decode(one)["message_key"] for one in held(Past(settings, f"status.{lane}")))


@pytest.fixture
def files(tmp_path: Path) -> Settings:
    return Settings(broker=f"file://{tmp_path / 'topics'}", partitions=2, clock=NOW_MS)


def test_webhooks_between_two_times_go_into_the_lanes(files: Settings) -> None:
    """What can't be read is counted by reason, and made no dead letter again."""
    at = NOW_MS - 60_000
    write(files, "webhook", *(envelope(number, at + number * 1_000) for number in range(10)), b"torn")
    done = replay(files, "webhook", Span(from_ms=at + 2_000, to_ms=at + 5_000))
    assert (done.lines, done.events, done.refused) == (3, 3, {})
    assert in_lane(files, "delivered") == [2, 3, 4]
    assert replay(files, "webhook", Span()).refused == {"bad_envelope": 1}
    assert not (Path(files.broker.removeprefix("file://")) / "dlq.webhook").exists()


def test_an_archive_takes_the_same_way(files: Settings, tmp_path: Path) -> None:
    write(files, "webhook", *(envelope(number) for number in range(5)))
    archive = Archive(str(tmp_path / "kept"), "webhook")
    archive.extend(files)
    elsewhere = msgspec.structs.replace(files, broker=f"file://{tmp_path / 'restored'}")
    replay(elsewhere, "webhook", Span(), archive.records())
    assert in_lane(elsewhere, "delivered") == [0, 1, 2, 3, 4]


def test_lines_between_two_offsets(files: Settings) -> None:
    """As dead letters name them: of a file topic segment and byte."""
    one = len(envelope(0)) + 1
    write(files, "webhook", *(envelope(number) for number in range(10)))
    first = (1 << 40) + 3 * one
    span = parse_span(str(first), str(first + 2 * one), 0)
    polls = Past(files, "webhook", start_of(span, in_files=True), 0).polls()
    assert replay(files, "webhook", span, polls).lines == 2
    assert in_lane(files, "delivered") == [3, 4]


def test_offsets_of_kafka_are_those_of_records(kafka: KafkaBroker) -> None:
    settings = Settings(broker=kafka.dsn, partitions=1, clock=NOW_MS)
    topic = f"past-offsets-{next(_numbers)}"
    producer = open_producer(settings)
    for number in range(6):
        producer.append(topic, 0, line({"n": number}) + b"\n")
        producer.flush()
    producer.close()
    span = parse_span("2", "4", 0)
    past = Past(settings, topic, start_of(span, in_files=False), 0)
    lines = [one for records in past.polls() for record in records for one in span.cut(record)]
    assert lines == [b'{"n":2}', b'{"n":3}']


def test_times_are_those_of_receipt_in_every_partition(settings: Settings, topic: str) -> None:
    """On Kafka, too, where a record's own time is that of its writing."""
    at = NOW_MS - 60_000
    for number in range(10):
        write(settings, topic, envelope(number, at + number * 1_000), partition=number % 3)
    span = parse_span(utc_text(at + 3_000), utc_text(at + 6_000), None)
    past = Past(settings, topic, start_of(span, in_files=settings.broker.startswith("file:")))
    lines = [one for records in past.polls() for record in records for one in span.cut(record)]
    assert sorted(msgspec.json.decode(one)["receipt_id"] for one in lines) == ["r-3", "r-4", "r-5"]


def test_a_replay_by_the_command_is_said_where_the_audit_log_lacks_it(
    files: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    write(files, "webhook", *(envelope(number) for number in range(4)))
    for name, text in {"BROKER": files.broker, "CLICKHOUSE": f"chdb://{tmp_path}/none"}.items():
        monkeypatch.setenv(f"TIDEMARK_{name}", text)
    replay_main(["--per-s", "0", "--json"])
    said = capsys.readouterr()
    assert {"lines": 4, "events": 4}.items() <= json.loads(said.out).items()
    assert said.err.startswith("flows.replay: not in the audit log: replay webhook: ")


def test_what_was_archived_stands_in_the_audit_log(
    files: Settings, tables: Warehouse, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(files, "webhook", *(envelope(number) for number in range(5)))
    for name, text in {"BROKER": files.broker, "CLICKHOUSE": str(tables)}.items():
        monkeypatch.setenv(f"TIDEMARK_{name}", text)
    archive_main(["write", str(tmp_path / "kept")])
    (entry,) = audit.entries(tables)
    assert (entry.action, entry.subject, entry.details) == ("archive", "webhook", '{"files":1,"lines":5}')


@pytest.mark.parametrize(
    ("since", "until", "partition", "says"),
    [("5", None, None, "--partition"), ("yesterday", None, None, "--from yesterday"), (None, "12:00", 1, "--to 12:00")],
)
def test_a_point_that_is_none_is_one_line(
    since: str | None, until: str | None, partition: int | None, says: str
) -> None:
    with pytest.raises(UsageError, match=says):
        parse_span(since, until, partition)


def test_dead_letters_are_not_replayed_this_way(files: Settings) -> None:
    with pytest.raises(UsageError, match=r"flows\.dlq"):
        replay(files, "dlq.webhook", Span())
