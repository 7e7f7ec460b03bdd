"""The buffer between requests and the topic: bounded, told together, never in the way of a broker that is down."""

import asyncio
import threading
from pathlib import Path

import pytest

import api.webhooks.intake
from api.webhooks.intake import Intake
from flows.topics.lines import check_lines
from schemas.errors import TopicDown, TopicFull
from schemas.settings import Settings

LINE = b'{"line":1}\n'


class Topic:
    """A producer that does as it is told."""

    def __init__(self) -> None:
        self.goes_on = threading.Event()
        self.goes_on.set()
        self.fails: Exception | None = None
        self.batches: list[bytes] = []
        self.tried = 0
        self.opened = 0

    def partitions(self, _topic: str) -> int:
        if isinstance(self.fails, TopicDown):
            raise self.fails
        return 4

    def append(self, _topic: str, _partition: int, lines: bytes) -> None:
        check_lines(lines)
        self.tried += 1
        if self.fails:
            assert self.goes_on.wait(20)
            raise self.fails
        self.batches.append(lines)

    def flush(self) -> None:
        assert self.goes_on.wait(20)

    def close(self) -> None:
        pass


@pytest.fixture
def topic(monkeypatch: pytest.MonkeyPatch) -> Topic:
    made = Topic()

    def opened(_: Settings) -> Topic:
        made.opened += 1
        return made

    monkeypatch.setattr(api.webhooks.intake, "open_producer", opened)
    return made


def intake(**fields: float) -> Intake:
    return Intake(Settings(), **fields)  # type: ignore[arg-type]


async def being_written(topic: Topic, own: Intake) -> asyncio.Future[bool]:
    """The topic has the line of who waits for this."""
    waiter = own.put(LINE)
    assert waiter is not None
    while not topic.tried:
        await asyncio.sleep(0.001)
    return waiter


def test_requests_of_a_moment_are_one_batch(topic: Topic) -> None:
    async def scenario() -> list[bool]:
        own = intake()
        waiters = [own.put(LINE) for _ in range(100)]
        told = [await waiter for waiter in waiters if waiter]
        await own.stop()
        return told

    assert asyncio.run(scenario()) == [True] * 100
    assert topic.batches == [LINE * 100]


def test_nobody_hears_before_it_is_durable(topic: Topic) -> None:
    """While a batch is being flushed its requests wait, and the next ones gather into one batch."""
    topic.goes_on.clear()

    async def scenario() -> None:
        own = intake(linger_s=0.001)
        first = await being_written(topic, own)
        later = [own.put(LINE) for _ in range(5)]
        await asyncio.sleep(0.05)
        assert not first.done()
        topic.goes_on.set()
        assert await first
        assert [await waiter for waiter in later if waiter] == [True] * 5
        await own.stop()

    asyncio.run(scenario())
    assert topic.batches == [LINE, LINE * 5]


def test_batch_that_is_full_is_not_lingered_for(topic: Topic) -> None:
    async def scenario() -> list[bool]:
        own = intake(linger_s=60)
        waiters = [own.put(LINE) for _ in range(64)]
        told = [await asyncio.wait_for(waiter, 20) for waiter in waiters if waiter]
        await own.stop()
        return told

    assert asyncio.run(scenario()) == [True] * 64
    assert topic.batches == [LINE * 64]


def test_beyond_its_bound_nothing_is_taken(topic: Topic) -> None:
    """Counted in bytes, those being written too; room comes back."""
    topic.goes_on.clear()

    async def scenario() -> None:
        own = intake(linger_s=0.001, limit_bytes=10 * len(LINE))
        waiters = [own.put(LINE) for _ in range(25)]
        assert [waiter is not None for waiter in waiters] == [True] * 10 + [False] * 15
        while not topic.batches:
            await asyncio.sleep(0.001)
        assert own.put(LINE) is None
        topic.goes_on.set()
        assert all([await waiter for waiter in waiters if waiter])
        assert await own.put(LINE)  # type: ignore[misc]
        await own.stop()

    asyncio.run(scenario())


def test_flush_that_stalls_turns_requests_away(topic: Topic, monkeypatch: pytest.MonkeyPatch) -> None:
    """Rather than have them wait for what may take half a minute."""
    monkeypatch.setattr(api.webhooks.intake, "STALLED_AFTER_S", 0.05)
    topic.goes_on.clear()

    async def scenario() -> None:
        own = intake(linger_s=0.001)
        first = own.put(LINE)
        await asyncio.sleep(0.2)
        assert not own.takes
        assert own.put(LINE) is None
        topic.goes_on.set()
        assert first is not None
        assert await first
        await asyncio.sleep(0.01)
        assert own.takes
        await own.stop()

    asyncio.run(scenario())


@pytest.mark.parametrize("error", [TopicDown("no broker"), TopicFull("no room")])
def test_topic_that_fails_is_told_and_asked_for_until_it_is_back(topic: Topic, error: Exception) -> None:
    """With a client of its own each time."""

    async def scenario() -> None:
        own = intake(linger_s=0.001)
        topic.fails = error
        first = own.put(LINE)
        assert first is not None
        assert not await first
        assert topic.batches == []
        topic.fails = None
        while not own.takes:
            await asyncio.sleep(0.01)
        again = own.put(LINE)
        assert again is not None
        assert await again
        await own.stop()

    asyncio.run(scenario())
    assert topic.batches == [LINE]
    assert topic.opened >= 2


def test_what_gathered_while_the_broker_went_down_is_refused_and_over(
    topic: Topic, caplog: pytest.LogCaptureFixture
) -> None:
    """No empty batch stays behind, which the topic would not take."""
    topic.fails = TopicFull("no room")
    topic.goes_on.clear()

    async def scenario() -> None:
        own = intake(linger_s=0.001)
        first = await being_written(topic, own)
        gathered = own.put(LINE)
        topic.goes_on.set()
        assert gathered is not None
        assert not await first
        assert not await gathered
        topic.fails = None
        while not own.takes:
            await asyncio.sleep(0.01)
        again = own.put(LINE)
        assert again is not None
        assert await again
        await own.stop()

    asyncio.run(asyncio.wait_for(scenario(), 20))
    assert [record.getMessage() for record in caplog.records if record.exc_info] == []


def test_client_that_left_does_not_hold_up_the_others(topic: Topic) -> None:
    """Its request is in the batch all the same."""

    async def scenario() -> list[bool]:
        own = intake()
        waiters = [own.put(LINE) for _ in range(3)]
        assert waiters[1] is not None
        waiters[1].cancel()
        told = [await waiter for waiter in waiters if waiter and not waiter.cancelled()]
        await own.stop()
        return told

    assert asyncio.run(scenario()) == [True, True]
    assert topic.batches == [LINE * 3]


def test_stopping_writes_what_is_there(topic: Topic) -> None:
    async def scenario() -> bool:
        own = intake(linger_s=0.02)
        waiter = own.put(LINE)
        await own.stop()
        assert waiter is not None
        return waiter.done() and waiter.result()

    assert asyncio.run(scenario())
    assert topic.batches == [LINE]


def test_stopping_while_the_broker_is_down(topic: Topic) -> None:
    """Nobody waits for it then."""
    topic.fails = TopicDown("no broker")

    async def scenario() -> bool:
        own = intake(linger_s=0.001)
        waiter = own.put(LINE)
        assert waiter is not None
        durable = await waiter
        await own.stop()
        return durable

    assert not asyncio.run(scenario())


def test_bug_in_the_topic_is_told_too(topic: Topic, caplog: pytest.LogCaptureFixture) -> None:
    """Whoever waits hears of it, and the log says what it was."""
    topic.fails = ValueError("a bug")

    async def scenario() -> bool:
        own = intake(linger_s=0.001)
        waiter = own.put(LINE)
        assert waiter is not None
        durable = await waiter
        topic.fails = None
        await own.stop()
        return durable

    assert not asyncio.run(scenario())
    assert "a bug" in caplog.text


def test_stopping_without_ever_starting(tmp_path: Path) -> None:
    asyncio.run(Intake(Settings(broker=f"file://{tmp_path}")).stop())
    assert list(tmp_path.iterdir()) == []
