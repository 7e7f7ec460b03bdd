"""Rounds beside the requests go on, whatever befalls one of them."""

import threading
from typing import Any

import pytest

from api.live import background
from api.live.background import Background, Round
from schemas.errors import WarehouseDown


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
