"""One limit for the waits of many tasks: as `asyncio.timeout`, at the latest a tenth later."""

import asyncio
import time
from collections.abc import Coroutine
from typing import Any

import pytest

from api.webhooks.time_limit import TimeLimit


async def waits(limit: TimeLimit, seconds: float) -> str:
    try:
        with limit:
            await asyncio.sleep(seconds)
    except TimeoutError:
        return "ended"
    await asyncio.sleep(0)
    return "done"


def run(main: Coroutine[Any, Any, Any]) -> Any:
    return asyncio.run(asyncio.wait_for(main, 30))


def test_who_takes_too_long_is_ended_and_nobody_else() -> None:
    async def main() -> list[str]:
        limit = TimeLimit(0.4)
        early = [asyncio.create_task(waits(limit, seconds)) for seconds in (60, 0, 0.1, 60)]
        await asyncio.sleep(0.25)
        late = [asyncio.create_task(waits(limit, 0.25)) for _ in range(2)]
        return await asyncio.gather(*early, *late)

    assert run(main()) == ["ended", "done", "done", "ended", "done", "done"]


def test_ended_neither_before_its_time_nor_long_after() -> None:
    """Also the first to wait after a time in which nobody did."""

    async def main() -> list[float]:
        limit, took = TimeLimit(0.3), []
        for _ in range(2):
            began = time.monotonic()
            assert await waits(limit, 60) == "ended"
            took.append(time.monotonic() - began)
            await asyncio.sleep(0.1)
        return took

    for seconds in run(main()):
        assert 0.29 < seconds < 5


def test_who_is_cancelled_by_others_hears_of_that() -> None:
    async def main() -> None:
        task = asyncio.create_task(waits(TimeLimit(20), 60))
        await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    run(main())


def test_an_error_inside_is_passed_on() -> None:
    async def main() -> None:
        limit = TimeLimit(20)
        with pytest.raises(KeyError), limit:
            raise KeyError
        assert await waits(limit, 0) == "done"

    run(main())


def test_nobody_waiting_costs_nothing() -> None:
    """No timer is left behind."""

    async def main() -> None:
        limit = TimeLimit(0.1)
        assert await waits(limit, 0) == "done"
        await asyncio.sleep(0.1)
        assert limit._next_look is None

    run(main())
