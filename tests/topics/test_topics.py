"""What holds for topics of either kind."""

import pickle
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import msgspec
import pytest

from flows.topics import LINE_LIMIT_BYTES, Position, Reader, list_partitions, open_producer, open_reader
from schemas.errors import BadRecord, TopicError, UsageError
from schemas.settings import Settings
from tests.topics.reading import GROUP, drain, lines_of, numbered, placed, read_lines, write


@contextmanager
def reading(
    settings: Settings, topic: str, partitions: tuple[int, ...] = (0,), start: dict[int, Position] | None = None
) -> Iterator[Reader]:
    reader = open_reader(settings, topic, list(partitions), start, GROUP)
    try:
        yield reader
    finally:
        reader.close()


def test_lines_come_back_as_written(settings: Settings, topic: str) -> None:
    lines = numbered(range(5_000))
    write(settings, topic, 0, lines)
    with reading(settings, topic) as reader:
        assert b"".join(record.value for record in drain(reader, 5_000)) == lines


def test_topic_is_made_with_the_partitions_that_settings_name(settings: Settings, topic: str) -> None:
    producer = open_producer(settings)
    assert producer.partitions(topic) == 3
    producer.close()
    more = msgspec.structs.replace(settings, partitions=7)
    assert open_producer(more).partitions(topic) == 3  # it exists
    assert list_partitions(settings, topic) == [0, 1, 2]


def test_each_partition_keeps_its_order(settings: Settings, topic: str) -> None:
    producer = open_producer(settings)
    for start in range(0, 3_000, 100):
        for partition in range(3):
            producer.append(topic, partition, numbered(range(start, start + 100)))
    producer.flush()
    with reading(settings, topic, (0, 1, 2)) as reader:
        records = drain(reader, 9_000)
    producer.close()
    for partition in range(3):
        mine = [record for record in records if record.partition == partition]
        assert lines_of(mine) == numbered(range(3_000)).splitlines()


def test_reader_takes_only_its_partitions(settings: Settings, topic: str) -> None:
    for partition in range(3):
        write(settings, topic, partition, numbered([partition]))
    assert sorted(read_lines(settings, topic, 2, partitions=(0, 2))) == numbered([0, 2]).splitlines()


def test_lines_appended_later_are_read_by_an_open_reader(settings: Settings, topic: str) -> None:
    producer = open_producer(settings)
    producer.partitions(topic)
    with reading(settings, topic) as reader:
        assert reader.poll(1_000_000, 0.01) == []
        for batch in ([1, 2], [3]):
            producer.append(topic, 0, numbered(batch))
            producer.flush()
            assert lines_of(drain(reader, len(batch))) == numbered(batch).splitlines()
    producer.close()


def _pickled(positions: dict[int, Position]) -> dict[int, Position]:
    kept: dict[int, Position] = pickle.loads(pickle.dumps(positions))
    return kept


def _through_json(positions: dict[int, Position]) -> dict[int, Position]:
    kept: dict[int, Position] = msgspec.json.decode(msgspec.json.encode(positions), type=dict[int, Any])
    return kept


@pytest.mark.parametrize("keep", [_pickled, _through_json])
def test_reading_goes_on_at_a_position_kept_elsewhere(
    settings: Settings, topic: str, keep: Callable[[dict[int, Position]], dict[int, Position]]
) -> None:
    write(settings, topic, 0, numbered(range(100)))
    with reading(settings, topic) as reader:
        drain(reader, 100)
        kept = keep(reader.positions())
    write(settings, topic, 0, numbered(range(100, 150)))
    assert read_lines(settings, topic, 50, start=kept) == numbered(range(100, 150)).splitlines()


def test_position_after_any_poll_splits_the_topic_without_loss_or_repeat(settings: Settings, topic: str) -> None:
    """Polls smaller than the topic: whatever was handed over, plus what follows its position, is the whole."""
    whole = numbered(range(10_000)).splitlines()
    for start in range(0, 10_000, 500):
        write(settings, topic, 0, numbered(range(start, start + 500)))
    read: list[bytes] = []
    with reading(settings, topic) as reader:
        while len(read) < 10_000:
            read += lines_of(reader.poll(30_000, 5.0))
            rest = read_lines(settings, topic, 10_000 - len(read), start=reader.positions())
            assert read + rest == whole


def test_start_of_a_group_without_positions_is_what_it_committed(settings: Settings, topic: str) -> None:
    for partition in (0, 1):
        write(settings, topic, partition, numbered(range(10)))
    with reading(settings, topic, (0,)) as reader:
        drain(reader, 10)
        reader.commit(reader.positions())
    write(settings, topic, 0, numbered([10]))
    # Partition 1 was never committed: it starts at its earliest line.
    assert sorted(read_lines(settings, topic, 11, partitions=(0, 1))) == sorted(numbered(range(11)).splitlines())


def test_given_position_wins_over_the_committed_one(settings: Settings, topic: str) -> None:
    write(settings, topic, 0, numbered([1]))
    with reading(settings, topic) as reader:
        before = reader.positions()
        drain(reader, 1)
        reader.commit(reader.positions())
    assert read_lines(settings, topic, 1, start=before) == numbered([1]).splitlines()


def test_lag_is_zero_once_all_is_read_and_grows_with_what_is_written(settings: Settings, topic: str) -> None:
    write(settings, topic, 0, numbered(range(1_000)))
    with reading(settings, topic) as reader:
        assert reader.lag()[0] > 0
        drain(reader, 1_000)
        assert reader.lag() == {0: 0}
        kept = reader.positions()
    write(settings, topic, 0, numbered([1]))
    with reading(settings, topic, start=kept) as reader:
        assert reader.lag()[0] > 0


def test_place_is_unique_and_the_same_at_each_reading(settings: Settings, topic: str) -> None:
    """Also when polls cut the runs of lines differently, and from another start."""
    for partition in range(3):
        for start in (0, 2_000):
            write(settings, topic, partition, numbered(range(start, start + 2_000)))
    with reading(settings, topic, (0, 1, 2)) as reader:
        whole = placed(drain(reader, 12_000))
    with reading(settings, topic, (0, 1, 2)) as reader:
        head = drain(reader, 3_000, max_bytes=20_000)
        kept = reader.positions()
    with reading(settings, topic, (0, 1, 2), start=kept) as reader:
        tail = drain(reader, 12_000 - len(lines_of(head)))
    assert placed(head + tail) == whole
    assert len(whole) == 12_000
    assert all(place.bit_length() == 63 for place in whole)


def test_line_of_10_mb_goes_through_whole(settings: Settings, topic: str) -> None:
    long = b'{"x":"%s"}\n' % (b"y" * 10_000_000)
    write(settings, topic, 0, numbered([1]) + long + numbered([2]))
    lines = read_lines(settings, topic, 3)
    assert [len(line) for line in lines] == [7, len(long) - 1, 7]
    assert lines[1] == long[:-1]


def test_line_beyond_the_limit_is_refused_with_nothing_taken(settings: Settings, topic: str) -> None:
    producer = open_producer(settings)
    with pytest.raises(BadRecord, match="a line of 16777217 bytes"):
        producer.append(topic, 0, numbered([1]) + b"y" * (LINE_LIMIT_BYTES + 1) + b"\n")
    producer.append(topic, 0, numbered([2]))
    producer.flush()
    producer.close()
    assert read_lines(settings, topic, 1) == numbered([2]).splitlines()


def test_unfinished_last_line_is_refused(settings: Settings, topic: str) -> None:
    producer = open_producer(settings)
    with pytest.raises(ValueError, match="newline"):
        producer.append(topic, 0, b'{"n":1}')
    producer.close()


def test_unknown_topic_and_partition_are_one_clear_line(settings: Settings, topic: str) -> None:
    with pytest.raises(TopicError, match=f"no topic {topic}"):
        list_partitions(settings, topic)
    with pytest.raises(TopicError, match=f"no topic {topic}"):
        open_reader(settings, topic, [0], None, GROUP)
    producer = open_producer(settings)
    with pytest.raises(UsageError, match=f"topic {topic} has no partition 3"):
        producer.append(topic, 3, numbered([1]))
    producer.close()
    with pytest.raises(TopicError, match=f"topic {topic} has no partition 3"):
        open_reader(settings, topic, [0, 3], None, GROUP)


@pytest.mark.parametrize("name", ["", ".", "..", "a/b", "../up", "a b", "x" * 250, "é"])
def test_name_that_could_leave_its_folder_is_refused(settings: Settings, name: str) -> None:
    producer = open_producer(settings)
    with pytest.raises(UsageError, match="topic"):
        producer.partitions(name)
    producer.close()
    with pytest.raises(UsageError, match="topic"):
        open_reader(settings, name, [0], None, GROUP)
    with pytest.raises(UsageError, match="group"):
        open_reader(settings, "fine", [0], None, name)


def test_position_of_the_other_kind_is_refused(settings: Settings, topic: str) -> None:
    write(settings, topic, 0, numbered([1]))
    foreign: Position = 5 if settings.broker.startswith("file") else {"next": 1, "open": []}
    with pytest.raises(TopicError, match="partition 0: not a"):
        open_reader(settings, topic, [0], {0: foreign}, GROUP)


@pytest.mark.parametrize(
    "dsn", ["", "data/topics", "file://", "kafka://", "kafka://host", "kafka://h:9,", "amqp://h:1"]
)
def test_bad_address_is_one_clear_line(dsn: str) -> None:
    with pytest.raises(UsageError, match=r"TIDEMARK_BROKER=.*expected file://FOLDER or kafka://HOST:PORT"):
        open_producer(Settings(broker=dsn))


def test_what_was_committed_can_be_passed_over(settings: Settings, topic: str) -> None:
    """Partitions without a position of their own start at the earliest line, whatever the group says."""
    write(settings, topic, 0, numbered(range(10)))
    with reading(settings, topic) as reader:
        drain(reader, 10)
        reader.commit(reader.positions())
    again = open_reader(settings, topic, [0], None, GROUP, from_group=False)
    try:
        assert lines_of(drain(again, 10)) == numbered(range(10)).splitlines()
    finally:
        again.close()
