"""Rounds beside the requests go on, whatever befalls one of them."""

import asyncio
import threading
from typing import Any

import pytest

from api.context import Context
from api.live import background
from api.live.background import Background, Round
from api.live.desk import Desk
from schemas.errors import WarehouseDown
from schemas.settings import Settings
from schemas.times import wall_clock
from sql.warehouse import Warehouse


@pytest.mark.parametrize("error", [WarehouseDown("gone"), ValueError("a bug"), KeyError("a column")])
def test_a_round_that_fails_is_told_and_tried_again(
    error: Exception, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    worked = threading.Semaphore(0)

    def work(_: Any) -> None:
        worked.release()
        raise error

    monkeypatch.setattr(background, "all_rounds", lambda: (Round("a round", work, every_s=0.0, rest=0),))
    rounds = Background(None)  # type: ignore[arg-type]
    rounds.start()
    assert all(worked.acquire(timeout=30) for _ in range(3))
    rounds.stop()
    assert "a round" in caplog.text


def test_what_is_counted_in_the_background_takes_one_thread(
    warehouse: Warehouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever looks at a page meanwhile has the other core."""
    told: list[str] = []
    worked = threading.Event()

    def work(context: Context) -> None:
        told.append(context.warehouse.query("SELECT toString(getSetting('max_threads')) AS threads").item())
        worked.set()

    monkeypatch.setattr(background, "all_rounds", lambda: (Round("a round", work, every_s=60.0, rest=0),))
    warehouse.command("SELECT 1")  # makes the database
    desk = Desk(Context(warehouse, Settings(), wall_clock))
    desk.background.start()
    assert worked.wait(30)
    asyncio.run(desk.stop())
    assert told == ["1"]
