"""One snapshot a tick feeds all viewers; who is too slow is dropped, who comes back gets only what is new."""

import asyncio
import threading
from collections.abc import AsyncGenerator
from contextlib import aclosing

import pytest

from api.live import hub as hubs
from api.live.hub import Hub, Identified, Topic, Viewer, stream
from api.problems import Refusal
from schemas.errors import WarehouseDown


class Count(Identified):
    pass


class Counter:
    """Builds 1, 2, 3, …"""

    def __init__(self, kind: type[Identified] = Count) -> None:
        self.built = 0
        self._kind = kind

    def __call__(self) -> Identified:
        self.built += 1
        return self._kind(id=self.built)


async def _take(events: AsyncGenerator[bytes], count: int) -> list[bytes]:
    """And be gone at once: who is still there when the topic ends is cancelled."""
    taken: list[bytes] = []
    async with aclosing(events):
        async for event in events:
            if event.startswith(b"event: snapshot"):
                taken.append(event)
            if len(taken) == count:
                break
    return taken


def number(event: bytes) -> int:
    return int(event.partition(b"id: ")[2].split()[0])


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hubs, "TICK_S", 0.02)


def test_any_number_of_viewers_cost_one_snapshot_a_tick() -> None:
    async def main() -> None:
        hub, counter = Hub(), Counter()
        topic = await hub.join("t", counter)
        taken = await asyncio.gather(*(_take(stream(topic, 0), 5) for _ in range(200)))
        assert all(len(events) == 5 for events in taken)
        assert counter.built <= 12
        await hub.stop()

    asyncio.run(main())


def test_who_has_the_latest_waits_for_the_next() -> None:
    async def main() -> None:
        hub = Hub()
        topic = await hub.join("t", Counter())
        latest = (await topic.first()).id
        [event] = await _take(stream(topic, latest), 1)
        assert number(event) > latest
        await hub.stop()

    asyncio.run(main())


def test_ids_grow_though_the_clock_is_set_back_or_stands() -> None:
    """Else a viewer that comes back would be told that it has the latest."""

    async def main() -> None:
        told = iter([50, 50, 7])
        hub = Hub()
        topic = await hub.join("t", lambda: Count(id=next(told, 7)))
        ids = [number(event) for event in await _take(stream(topic, 0), 4)]
        assert ids == [50, 51, 52, 53]
        await hub.stop()

    asyncio.run(main())


def test_a_viewer_that_reads_nothing_is_dropped_and_others_go_on() -> None:
    async def main() -> None:
        hub = Hub()
        topic = await hub.join("t", Counter())

        async def stuck() -> None:
            async for _ in stream(topic, 0):
                await asyncio.sleep(60)

        slow = asyncio.create_task(stuck())
        assert len(await _take(stream(topic, 0), 12)) == 12
        with pytest.raises(asyncio.CancelledError):
            await slow
        assert topic.dropped == 1
        await hub.stop()

    asyncio.run(main())


def test_a_topic_ends_when_nobody_watches_and_comes_back() -> None:
    async def main() -> None:
        hub = Hub()
        await hub.join("t", Counter())
        while hub.figures():
            await asyncio.sleep(0.02)
        topic = await hub.join("t", Counter())
        assert isinstance(topic, Topic)
        await hub.stop()

    asyncio.run(main())


def test_a_campaign_that_is_none_refuses_all_who_wait() -> None:
    def none() -> Count:
        raise Refusal(404, "No such campaign")

    async def main() -> None:
        hub = Hub()
        waiting = await asyncio.gather(*(hub.join("t", none) for _ in range(3)), return_exceptions=True)
        assert [type(answer) for answer in waiting] == [Refusal] * 3
        assert hub.figures() == {}

    asyncio.run(main())


def test_a_database_that_is_down_for_a_while_is_waited_for() -> None:
    async def main() -> None:
        counter, tries = Counter(), iter([True, True, True])

        def build() -> Identified:
            if next(tries, False):
                raise WarehouseDown("gone")
            return counter()

        hub = Hub()
        topic = await hub.join("t", build)
        assert (await topic.first()).id == 1
        await hub.stop()

    asyncio.run(main())


@pytest.mark.parametrize("built", [2, 3, 4, 5])
def test_who_begins_to_watch_as_a_topic_ends_is_not_left_behind(monkeypatch: pytest.MonkeyPatch, built: int) -> None:
    """The stream goes on, or ends and is asked for again; it never falls silent."""
    monkeypatch.setattr(hubs, "_LINGER_TICKS", 3)

    async def main() -> None:
        hub = Hub()
        topic = await hub.join("t", Counter())
        while topic.built < built and hub.figures():
            await asyncio.sleep(0)
        watching = asyncio.create_task(_take(stream(topic, 0), 3))
        await asyncio.wait({watching}, timeout=10)
        assert watching.done()
        assert len(watching.result()) == 3 or not hub.figures()
        await hub.stop()

    asyncio.run(main())


def test_a_stream_of_a_topic_that_has_ended_ends() -> None:
    async def main() -> None:
        hub = Hub()
        topic = await hub.join("t", Counter())
        await hub.stop()
        assert len(await asyncio.wait_for(_take(stream(topic, 0), 3), 10)) == 1

    asyncio.run(main())


def test_a_build_that_breaks_ends_its_topic_for_all_and_the_next_begins_anew() -> None:
    """Who waits is told, who watches is cut off, and no name is taken for ever."""

    async def main() -> None:
        built = iter([Count(id=1), Count(id=2)])

        def build() -> Count:
            try:
                return next(built)
            except StopIteration:
                raise ValueError("year 31690708 is out of range") from None

        hub = Hub()
        topic = await hub.join("t", build)
        watching = asyncio.create_task(_take(stream(topic, 0), 9))
        assert len(await asyncio.wait_for(watching, 10)) < 9
        assert hub.figures() == {}
        waiting = asyncio.gather(*(hub.join("t", build) for _ in range(3)), return_exceptions=True)
        assert [type(answer) for answer in await asyncio.wait_for(waiting, 10)] == [ValueError] * 3
        assert (await (await hub.join("t", Counter())).first()).id == 1
        await hub.stop()

    asyncio.run(main())


def test_a_database_that_stays_down_is_told_as_that() -> None:
    def gone() -> Count:
        raise WarehouseDown("gone")

    async def main() -> None:
        hub = Hub()
        with pytest.raises(WarehouseDown):
            await asyncio.wait_for(hub.join("t", gone), 10)
        assert hub.figures() == {}

    asyncio.run(main())


def test_who_waits_while_the_hub_stops_or_comes_afterwards_is_refused() -> None:
    async def main() -> None:
        hub, ended = Hub(), threading.Event()
        waiting = asyncio.create_task(hub.join("t", lambda: Count(id=ended.wait(10))))
        await asyncio.sleep(0.02)
        await hub.stop()
        ended.set()
        with pytest.raises(Refusal):
            await asyncio.wait_for(waiting, 10)
        with pytest.raises(Refusal):
            await hub.join("t", Counter())

    asyncio.run(main())


def test_figures_are_read_while_topics_come_and_go() -> None:
    """As the thread of the operations page does."""

    class Leaving:
        """Another leaves as it is looked at."""

        built, dropped, built_ms = 1, 0, 0.0

        @property
        def viewers(self) -> list[Viewer]:
            hub._forget("b")
            return []

    hub = Hub()
    hub._topics |= {name: Leaving() for name in "abc"}  # type: ignore[misc]
    assert set(hub.figures()) >= {"a", "c"}


def test_each_viewer_sees_its_face_of_one_snapshot() -> None:
    class Hidden(Identified):
        secret: int = 5

    def face(hidden: Hidden) -> Count:
        made.append(hidden.id)
        return Count(id=hidden.id)

    made: list[int] = []

    async def main() -> None:
        hub = Hub()
        topic = await hub.join("t", Counter(Hidden))
        guests = (_take(stream(topic, 0, face), 5) for _ in range(50))
        *outside, inside = await asyncio.gather(*guests, _take(stream(topic, 0), 5))
        assert all(b"secret" not in event for events in outside for event in events)
        assert all(b"secret" in event for event in inside)
        assert len(made) == len(set(made)), "made once for all of them"
        await hub.stop()

    asyncio.run(main())


def test_who_may_watch_no_more_is_let_go_and_the_others_stay() -> None:
    async def main() -> None:
        hub, may = Hub(), [True]
        topic = await hub.join("t", Counter())
        staying = asyncio.create_task(_take(stream(topic, 0), 40))
        leaving = asyncio.create_task(_take(stream(topic, 0, may_watch=lambda: may[0]), 1_000_000))
        await _take(stream(topic, 0), 12)
        assert not leaving.done()
        may[0] = False
        assert len(await asyncio.wait_for(leaving, 10)) >= 12
        assert len(await staying) == 40
        await hub.stop()

    asyncio.run(main())
