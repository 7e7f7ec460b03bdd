"""Kafka topics: gaps, brokers that are down, foreign records, limits."""

import random
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import Any

import msgspec
import pytest
from confluent_kafka import Consumer, KafkaError, KafkaException, TopicPartition
from confluent_kafka import Producer as Client
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic

from flows.topics import Producer, Reader, kafka_reader, list_partitions, open_producer, open_reader
from flows.topics.lines import RECORD_BYTES
from schemas.errors import TopicDown, TopicError, TopicGap, UsageError
from schemas.events import PAYLOAD_LIMIT_BYTES
from schemas.settings import Settings
from tests.parts.kafka import KafkaBroker, free_port
from tests.topics.reading import GROUP, accepting_gaps, drain, lines_of, numbered, placed, read_lines, write


@pytest.fixture
def settings(kafka: KafkaBroker) -> Settings:
    return Settings(broker=kafka.dsn, partitions=1)


@pytest.fixture
def admin(kafka: KafkaBroker) -> AdminClient:
    return AdminClient({"bootstrap.servers": kafka.address})


def with_options(settings: Settings, **options: str) -> Settings:
    kafka = {name.replace("_", "."): value for name, value in options.items()}
    return msgspec.structs.replace(settings, kafka=kafka)


def delete_before(admin: AdminClient, topic: str, offset: int) -> None:
    deleted = admin.delete_records([TopicPartition(topic, 0, offset)])
    for each in deleted.values():
        each.result(timeout=10)


def read_to_the_end(reader: Reader, read: list[bytes]) -> None:
    while found := reader.poll(1, 5.0):
        read += lines_of(found)


def append_many(producer: Producer, topic: str, count: int) -> None:
    for _ in range(count):
        producer.append(topic, 0, numbered([2]))


def append_until_taken(producer: Producer, topic: str, lines: bytes) -> None:
    """As the flows do: what could not be delivered is appended again."""
    for _ in range(20):
        producer.append(topic, 0, lines)
        with suppress(TopicDown):
            producer.flush()
            return
    pytest.fail("the producer never recovered")


def send(kafka: KafkaBroker, topic: str, *values: bytes | None) -> None:
    """As other people's programs write."""
    client = Client({"bootstrap.servers": kafka.address})
    for value in values:
        client.produce(topic, value, partition=0)
    assert client.flush(10) == 0


def test_lines_travel_in_records_of_many(settings: Settings, topic: str) -> None:
    lines = (b'{"x":"%s"}\n' % (b"y" * 290)) * 2_000
    write(settings, topic, 0, lines)
    reader = open_reader(settings, topic, [0], None, GROUP)
    records = drain(reader, 2_000)
    reader.close()
    assert len(records) == -(-len(lines) // RECORD_BYTES)
    assert [record.offset for record in records] == list(range(len(records)))


def test_deleted_offsets_are_a_gap_that_is_named(settings: Settings, topic: str, admin: AdminClient) -> None:
    for number in range(10):
        write(settings, topic, 0, numbered([number]))
    delete_before(admin, topic, 6)
    with pytest.raises(TopicGap, match=f"topic {topic}, partition 0: offsets 2 to 5 are no longer there; TIDEMARK_ACC"):
        open_reader(settings, topic, [0], {0: 2}, GROUP)
    assert read_lines(accepting_gaps(settings), topic, 4, start={0: 2}) == numbered(range(6, 10)).splitlines()
    assert read_lines(settings, topic, 4) == numbered(range(6, 10)).splitlines()  # the earliest is no gap


def test_position_beyond_the_end_is_a_gap(settings: Settings, topic: str) -> None:
    """The topic was deleted and made anew."""
    write(settings, topic, 0, numbered([1]))
    with pytest.raises(TopicGap, match="offset 7 lies beyond the end at 1"):
        open_reader(settings, topic, [0], {0: 7}, GROUP)
    assert read_lines(accepting_gaps(settings), topic, 1, start={0: 7}) == numbered([1]).splitlines()


@pytest.mark.parametrize("accept", [False, True])
def test_offsets_deleted_while_reading_are_a_gap_after_what_was_fetched(
    settings: Settings, topic: str, admin: AdminClient, *, accept: bool
) -> None:
    noise = random.Random(1)
    values = [b'"%s"\n' % noise.randbytes(50_000).hex().encode() for _ in range(20)]
    for value in values:
        write(settings, topic, 0, value)
    # So little is fetched ahead that most of it is still to be asked for.
    little = with_options(settings, queued_max_messages_kbytes="1", max_partition_fetch_bytes="1000")
    reader = open_reader(accepting_gaps(little) if accept else little, topic, [0], None, GROUP)
    read = lines_of(reader.poll(1, 10.0))
    delete_before(admin, topic, 15)
    if accept:
        while reader.positions() != {0: 20}:
            read += lines_of(reader.poll(1, 5.0))
        assert read == [value[:-1] for value in values[: len(read) - 5] + values[15:]]
        assert reader.positions() == {0: 20}
    else:
        with pytest.raises(TopicGap, match=r"offsets \d+ to 14 are no longer there"):
            read_to_the_end(reader, read)
        assert 0 < len(read) < 15
        assert read == [value[:-1] for value in values[: len(read)]]
        assert reader.positions() == {0: len(read)}
        with pytest.raises(TopicGap):
            reader.poll(1, 1.0)
    reader.close()


def test_lag_tools_see_what_a_group_committed(settings: Settings, topic: str, kafka: KafkaBroker) -> None:
    write(settings, topic, 0, numbered([1]))
    write(settings, topic, 0, numbered([2]))
    reader = open_reader(settings, topic, [0], None, "tidemark.status.read")
    drain(reader, 2)
    reader.commit({0: 1})
    reader.close()
    tool = Consumer({"bootstrap.servers": kafka.address, "group.id": "tidemark.status.read"})
    (seen,) = tool.committed([TopicPartition(topic, 0)], timeout=10)
    tool.close()
    assert seen.offset == 1


class _Settling(Consumer):
    """Asked for offsets, the broker has only just started."""

    refusals = 2

    def committed(self, *args: Any, **kwargs: Any) -> list[TopicPartition]:
        if self.refusals:
            self.refusals -= 1
            raise KafkaException(KafkaError(KafkaError.NOT_COORDINATOR))
        answers: list[TopicPartition] = super().committed(*args, **kwargs)
        return answers


def test_broker_that_has_just_started_is_asked_again_for_offsets(
    settings: Settings, topic: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(settings, topic, 0, numbered([1]))
    monkeypatch.setattr("flows.topics.kafka_reader.Consumer", _Settling)
    assert read_lines(settings, topic, 1) == numbered([1]).splitlines()
    monkeypatch.setattr("flows.topics.kafka_reader.ANSWER_WITHIN_S", 0.5)
    monkeypatch.setattr(_Settling, "refusals", 100)
    with pytest.raises(TopicDown, match="Not coordinator"):
        open_reader(settings, topic, [0], None, GROUP)


def test_foreign_records_are_read_as_they_are(settings: Settings, topic: str, kafka: KafkaBroker) -> None:
    """One event each, without a last newline, a tombstone, a value that is no text."""
    open_producer(settings).partitions(topic)
    send(kafka, topic, b'{"n":1}', None, b"", b'{"n":2}\n{"n":3}', b"\xff\xfe")
    reader = open_reader(settings, topic, [0], None, GROUP)
    records = drain(reader, 4)
    reader.close()
    assert [(record.offset, record.value) for record in records] == [
        (0, b'{"n":1}'),
        (3, b'{"n":2}\n{"n":3}'),
        (4, b"\xff\xfe"),
    ]


def test_record_with_more_lines_than_can_be_numbered_is_handed_over_cut(
    settings: Settings, topic: str, kafka: KafkaBroker
) -> None:
    open_producer(settings).partitions(topic)
    fits, too_many = b"1\n" * 2_047 + b"1", b"2" * 200 + b"\n" * 2_048 + b"3" * 300_000
    send(kafka, topic, fits, too_many, b"4")
    reader = open_reader(settings, topic, [0], None, GROUP)
    records = drain(reader, 2_048 + 2_049 + 1)
    reader.close()
    assert [(record.oversized, record.value) for record in records] == [
        (0, fits),
        (len(too_many), too_many[:PAYLOAD_LIMIT_BYTES]),
        (0, b"4"),
    ]
    assert len(placed([records[0], records[2]])) == 2_049


def test_record_that_the_broker_refuses_is_one_clear_line(settings: Settings, topic: str, admin: AdminClient) -> None:
    new = NewTopic(topic, 1, config={"max.message.bytes": "1000"})
    admin.create_topics([new])[topic].result(timeout=10)
    producer = open_producer(settings)
    producer.append(topic, 0, random.Random(1).randbytes(4_000).hex().encode() + b"\n")
    with pytest.raises(TopicError, match=f"topic {topic}: .*[Mm]essage.*too large") as raised:
        producer.flush()
    assert not isinstance(raised.value, TopicDown)
    producer.append(topic, 0, numbered([1]))
    producer.flush()  # the failure was told once
    producer.close()
    assert read_lines(settings, topic, 1) == numbered([1]).splitlines()


def test_bad_option_is_one_clear_line(settings: Settings) -> None:
    with pytest.raises(UsageError, match=r"TIDEMARK_KAFKA_.*no\.such\.option"):
        open_producer(with_options(settings, no_such_option="1"))
    with pytest.raises(UsageError, match=r"TIDEMARK_KAFKA_.*fetch\.min\.bytes"):
        list_partitions(with_options(settings, fetch_min_bytes="many"), "any")


def test_options_cannot_undo_what_delivery_rests_on(settings: Settings, topic: str, admin: AdminClient) -> None:
    write(settings, topic, 0, numbered([1]))
    write(settings, topic, 0, numbered([2]))
    delete_before(admin, topic, 1)
    with pytest.raises(TopicGap):
        open_reader(with_options(settings, auto_offset_reset="latest"), topic, [0], {0: 0}, GROUP)


def test_number_of_partitions_is_bounded(settings: Settings, topic: str) -> None:
    too_many = msgspec.structs.replace(settings, partitions=1_025)
    with pytest.raises(UsageError, match="TIDEMARK_PARTITIONS=1025: expected 1 to 1024"):
        open_producer(too_many).partitions(topic)


def test_broker_that_is_down_at_the_start_is_said_in_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in ("kafka_client", "kafka_reader", "kafka_producer"):
        monkeypatch.setattr(f"flows.topics.{module}.ANSWER_WITHIN_S", 2.0)
    settings = Settings(broker=f"kafka://127.0.0.1:{free_port()}")
    attempts = [
        lambda: list_partitions(settings, "any"),
        lambda: open_reader(settings, "any", [0], None, GROUP),
        lambda: open_producer(settings).partitions("any"),
        lambda: open_producer(settings).append("any", 0, numbered([1])),
    ]
    with ThreadPoolExecutor() as threads:
        for attempt in [threads.submit(attempt) for attempt in attempts]:
            error = attempt.exception()
            assert isinstance(error, TopicDown)
            assert str(error).startswith(f"{settings.broker}, topic any: the broker does not answer (")
            assert "\n" not in str(error)


@pytest.fixture
def restarted(kafka: KafkaBroker) -> Iterator[KafkaBroker]:
    """For tests that stop the broker."""
    yield kafka
    kafka.start()


def test_broker_that_goes_down_and_comes_back_costs_nothing(
    settings: Settings, topic: str, restarted: KafkaBroker, caplog: pytest.LogCaptureFixture
) -> None:
    """The producer says what it could not deliver, holds no more than it may, and goes on; the reader waits."""
    producer = open_producer(with_options(settings, message_timeout_ms="1000", queue_buffering_max_messages="10"))
    producer.append(topic, 0, numbered([1]))
    producer.flush()
    reader = open_reader(settings, topic, [0], None, GROUP)
    assert lines_of(drain(reader, 1)) == numbered([1]).splitlines()

    restarted.stop()
    producer.append(topic, 0, numbered([2]))
    with pytest.raises(TopicDown, match=f"topic {topic}: the broker does not answer"):
        producer.flush()
    with pytest.raises(TopicDown, match=f"topic {topic}: the queue stays full"):
        append_many(producer, topic, 100)
    caplog.clear()
    assert drain(reader, 1, within_s=1.0) == []
    assert [record.getMessage().split(":")[0] for record in caplog.records] == ["kafka"]
    assert "waiting for it" in caplog.text

    restarted.start()
    append_until_taken(producer, topic, numbered([2, 3]))
    lines = lines_of(drain(reader, 2))
    assert lines[-2:] == numbered([2, 3]).splitlines()
    assert set(lines) == set(numbered([2, 3]).splitlines())
    producer.close()
    reader.close()


def test_what_is_no_record_at_the_end_is_no_lag(settings: Settings, topic: str, kafka: KafkaBroker) -> None:
    """The marker of somebody's transaction, an empty record."""
    settings = msgspec.structs.replace(settings, partitions=2)
    open_producer(settings).partitions(topic)
    reader = open_reader(settings, topic, [0, 1], None, GROUP)
    client = Client({"bootstrap.servers": kafka.address, "transactional.id": topic})
    client.init_transactions(30)
    client.begin_transaction()
    client.produce(topic, numbered([1]), partition=0)
    client.commit_transaction(30)
    plain = Client({"bootstrap.servers": kafka.address})
    plain.produce(topic, numbered([2]), partition=1)
    plain.produce(topic, None, partition=1)
    plain.flush(30)
    assert sorted(lines_of(drain(reader, 2))) == numbered([1, 2]).splitlines()
    drain(reader, 1, within_s=1.0)
    assert reader.positions() == {0: 2, 1: 2}
    assert reader.lag() == {0: 0, 1: 0}
    reader.close()


def test_a_partition_that_stands_still_is_read_on_by_a_new_client(
    settings: Settings, topic: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """As librdkafka leaves one at times when its broker was restarted; nothing comes twice."""
    monkeypatch.setattr(kafka_reader, "_LOOK_EVERY_S", 0.3)
    producer = open_producer(msgspec.structs.replace(settings, partitions=2))
    producer.partitions(topic)
    reader = open_reader(settings, topic, [0, 1], None, GROUP)
    for partition in (0, 1):
        producer.append(topic, partition, numbered([partition]))
    producer.flush()
    assert len(drain(reader, 2)) == 2
    reader._client.pause([TopicPartition(topic, 0)])
    for partition in (0, 1):
        producer.append(topic, partition, numbered([2 + partition]))
    producer.flush()
    assert sorted(lines_of(drain(reader, 2))) == numbered([2, 3]).splitlines()
    assert "nothing came of partitions [0], which have more; connected anew" in caplog.text
    caplog.clear()
    assert drain(reader, 1, within_s=1.0) == []
    assert not caplog.records
    producer.close()
    reader.close()


def test_a_client_that_finds_no_broker_any_more_is_replaced(
    settings: Settings, topic: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Once a new one finds it, and not while there is nothing to read."""
    monkeypatch.setattr(kafka_reader, "_LOOK_EVERY_S", 0.1)
    producer = open_producer(settings)
    producer.partitions(topic)
    reader = open_reader(settings, topic, [0], None, GROUP)
    nowhere = f"127.0.0.1:{free_port()}"
    reader._client.close()
    reader._client = Consumer({"bootstrap.servers": nowhere, "group.id": GROUP, "log_level": 0})
    assert drain(reader, 1, within_s=2.0) == []
    assert "connected anew" not in caplog.text
    producer.append(topic, 0, numbered([1]))
    producer.flush()
    assert lines_of(drain(reader, 1)) == numbered([1]).splitlines()
    assert "nothing came of partitions [0], which have more; connected anew" in caplog.text
    producer.close()
    reader.close()
