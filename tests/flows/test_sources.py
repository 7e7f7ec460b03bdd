"""A topic as a source: its parts share a reader and keep their own places."""

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from flows.gate import Brought
from flows.sources import PARTS, Feed, Poll, TopicSource, make_topics, together
from flows.stopping import Stop
from flows.topics import Record, open_producer, open_reader
from schemas.settings import Settings, Slice

TOPIC = "status.read"
PARTITIONS = 10
DEADLINE_S = 20


class Told:
    """What a source asked and said."""

    def __init__(self) -> None:
        self.open = True
        self.ended = False
        self.brought: list[Brought] = []
        self.lags: list[int] = []
        self.worked_off = 0

    def feed(self, max_bytes: int = 1 << 20) -> Feed:
        return Feed(
            topic=TOPIC,
            group="tidemark.status.read",
            max_bytes=max_bytes,
            opens=lambda: self.open,
            polled=self.brought.append,
            lags=self.lags.append,
            ends=lambda: self.ended,
            worked_off=self._work_off,
        )

    def _work_off(self) -> None:
        self.worked_off += 1


@pytest.fixture
def broker(tmp_path: Path) -> Settings:
    settings = Settings(broker=f"file://{tmp_path / 'topics'}", partitions=PARTITIONS)
    make_topics(settings, TOPIC)
    return settings


def write(settings: Settings, *numbers: int) -> None:
    """Number n as a line of partition n % PARTITIONS."""
    producer = open_producer(settings)
    for number in numbers:
        producer.append(TOPIC, number % PARTITIONS, b"%d\n" % number)
    producer.flush()
    producer.close()


class Run:
    """The parts of a worker, asked one after the other as Bytewax does."""

    def __init__(self, settings: Settings, told: Told, states: dict[str, Any] | None = None, **feed: int) -> None:
        source = TopicSource(settings, told.feed(**feed), Stop())
        self.parts = {name: source.build_part("step", name, (states or {}).get(name)) for name in source.list_parts()}

    def read(self, count: int) -> list[int]:
        """As many numbers as there should be, and those that there should not be."""
        found: list[int] = []
        until = time.monotonic() + DEADLINE_S
        while len(found) < count and time.monotonic() < until:
            found += self.round()
        return sorted(found + self.round())

    def round(self) -> list[int]:
        return [number for part in self.parts.values() for number in self.numbers(part)]

    def numbers(self, part: Any) -> list[int]:
        return [int(text) for poll in part.next_batch() for record in poll.records for text in record.value.split()]

    def snapshot(self) -> dict[str, Any]:
        return {name: part.snapshot() for name, part in self.parts.items()}

    def close(self) -> None:
        for part in self.parts.values():
            part.close()


@pytest.fixture
def told() -> Told:
    return Told()


@pytest.fixture
def running(told: Told, broker: Settings) -> Iterator[Run]:
    run = Run(broker, told)
    yield run
    run.close()


def test_every_line_is_read_by_one_part(broker: Settings, running: Run) -> None:
    """Partition p by part p % PARTS, so there is one for each of any number."""
    write(broker, *range(100))
    assert running.read(100) == list(range(100))
    assert len(running.parts) == PARTS


def test_a_part_goes_on_where_its_snapshot_stood(broker: Settings, told: Told, running: Run) -> None:
    """What was read since is read again, and nothing else."""
    write(broker, *range(50))
    running.read(50)
    states = running.snapshot()
    write(broker, *range(50, 70))
    assert running.read(20) == list(range(50, 70))
    again = Run(broker, told, states)
    assert again.read(20) == list(range(50, 70))
    again.close()


def test_that_a_poll_is_worked_off_is_told_once_and_a_round_later(broker: Settings, told: Told, running: Run) -> None:
    """Between two rounds Bytewax runs what comes behind."""
    write(broker, *range(PARTITIONS))
    rounds: list[tuple[int, int]] = []
    until = time.monotonic() + DEADLINE_S
    while told.worked_off == 0 and time.monotonic() < until:
        rounds.append((len(running.round()), told.worked_off))
    numbers, tellings = zip(*rounds, strict=True)
    assert sum(numbers) == PARTITIONS
    assert tellings.index(1) == max(place for place, count in enumerate(numbers) if count) + 1
    for _ in range(3):
        running.round()
    assert told.worked_off == 1


def test_what_is_committed_is_the_snapshot_before(broker: Settings, running: Run) -> None:
    """That one is sure to be durable: a flow without a snapshot starts there, and must not miss a line."""
    for start in (0, 10):
        write(broker, *range(start, start + 10))
        running.read(10)
        running.snapshot()
    reader = open_reader(broker, TOPIC, list(range(PARTITIONS)), None, "tidemark.status.read")
    left = [int(text) for record in reader.poll(1 << 20, 1) for text in record.value.split()]
    reader.close()
    assert sorted(left) == list(range(10, 20))


def test_slices_share_the_partitions_out(broker: Settings) -> None:
    write(broker, *range(40))
    for index in range(3):
        mine = [number for number in range(40) if number % PARTITIONS % 3 == index]
        run = Run(Settings(broker=broker.broker, slice=Slice(index, 3)), Told())
        assert run.read(len(mine)) == mine
        run.close()


def test_nothing_is_polled_behind_a_closed_gate(broker: Settings, told: Told, running: Run) -> None:
    write(broker, 1)
    told.open = False
    assert running.round() == []
    assert told.brought == []
    told.open = True
    assert running.read(1) == [1]


def test_an_input_that_ends_is_read_to_its_end(broker: Settings, told: Told, running: Run) -> None:
    write(broker, *range(30))
    told.ended = True
    seen: list[int] = []
    left = dict(running.parts)
    for _ in range(100):
        for name, part in list(left.items()):
            try:
                seen += running.numbers(part)
            except StopIteration:
                del left[name]
    assert (sorted(seen), left) == (list(range(30)), {})


def test_an_input_that_ended_holds_up_no_other(broker: Settings, told: Told) -> None:
    """Its last poll may have been a full one: then lanes behind it would wait for it for ever."""
    write(broker, *range(100, 1_000))
    run = Run(broker, told, max_bytes=100)
    run.parts["0"].next_batch()
    assert told.brought == [Brought.MUCH]
    run.close()
    assert told.brought == [Brought.MUCH, Brought.LITTLE]


def test_a_stop_ends_every_part(broker: Settings, told: Told) -> None:
    stop = Stop()
    source = TopicSource(broker, told.feed(), stop)
    part = source.build_part("step", "0", None)
    assert part.next_batch() == []
    assert part.next_awake() is not None
    stop.ask()
    with pytest.raises(StopIteration):
        part.next_batch()
    part.close()


def test_a_gate_is_asked_once_a_round(broker: Settings) -> None:
    """However many parts there are: a reserved share of turns is one of rounds."""
    told, asked = Told(), []
    told.open = False
    source = TopicSource(broker, told.feed()._replace(opens=lambda: bool(asked.append(1))), Stop())
    parts = [source.build_part("step", name, None) for name in source.list_parts()]
    for _ in range(3):
        assert [part.next_batch() for part in parts] == [[]] * PARTS
    assert len(asked) == 3


def test_of_a_large_poll_that_others_precede_one_part_hands_over_its_records_a_turn(
    broker: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("flows.sources._SMALL_BYTES", PARTITIONS)
    monkeypatch.setattr("flows.sources._TURN_S", 0.2)  # a busy machine may take longer than Bytewax for a round
    write(broker, *range(PARTITIONS))
    source = TopicSource(broker, Told().feed()._replace(yields=True), Stop())
    parts = [source.build_part("step", name, None) for name in source.list_parts()]
    rounds = []
    while sum(rounds) < PARTS:
        rounds.append(sum(bool(part.next_batch()) for part in parts))
        time.sleep(0.25)
    assert set(rounds) <= {0, 1}


def test_what_a_small_poll_brought_comes_in_one_round(broker: Settings, running: Run) -> None:
    """All parts are due at the same moment, so that Bytewax hands over together what they have."""
    running.round()
    due = {part.next_awake() for part in running.parts.values()}
    assert len(due) == 1
    write(broker, *range(PARTITIONS))
    until = time.monotonic() + DEADLINE_S
    while not (came := running.round()) and time.monotonic() < until:
        pass
    assert sorted(came) == list(range(PARTITIONS))


def test_what_is_neither_little_nor_much_is_told_apart(broker: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("flows.sources._SMALL_BYTES", PARTITIONS)
    write(broker, *range(PARTITIONS))
    told = Told()
    run = Run(broker, told)
    run.read(PARTITIONS)
    assert [brought for brought in told.brought if brought is not Brought.LITTLE] == [Brought.SOME]
    run.close()


def poll(*sizes: int) -> Poll:
    return Poll(TOPIC, [Record(number, 0, 0, b"x" * size) for number, size in enumerate(sizes)])


def test_small_polls_are_decoded_together_in_their_order() -> None:
    first, second = poll(10, 20), poll(30)
    assert together([first, second]) == [Poll(TOPIC, first.records + second.records)]


def test_large_polls_are_decoded_one_by_one() -> None:
    large, small = poll(3 << 20), poll(2 << 20)
    assert together([large, small]) == [large, small]
    assert together([poll(9 << 20)]) == [poll(9 << 20)]
