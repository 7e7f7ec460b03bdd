"""A ClickHouse that is down is waited for, and nothing else is."""

from collections.abc import Callable

import pytest

import sql.retry
from schemas.errors import WarehouseDown, WarehouseError
from sql.retry import retrying


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sql.retry, "FIRST_WAIT_S", 0.001)
    monkeypatch.setattr(sql.retry, "LONGEST_WAIT_S", 0.004)


def failing(times: int, error: Exception) -> Callable[[], str]:
    left = [times]

    def action() -> str:
        if left[0] == 0:
            return "done"
        left[0] -= 1
        raise error

    return action


def test_it_goes_on_until_it_works_and_says_so_in_two_lines() -> None:
    lines: list[str] = []
    assert retrying(failing(20, WarehouseDown("connection refused")), lambda: False, lines.append) == "done"
    assert len(lines) == 2
    assert "connection refused" in lines[0]
    assert "answers again" in lines[1]


def test_what_works_at_once_says_nothing() -> None:
    lines: list[str] = []
    assert retrying(lambda: 7, lambda: True, lines.append) == 7
    assert lines == []


def test_it_gives_up_when_stopping() -> None:
    answers = iter([False] * 10)
    with pytest.raises(WarehouseDown):
        retrying(failing(10**9, WarehouseDown("down")), lambda: next(answers, True), lambda _: None)


def test_a_refusal_is_not_tried_again() -> None:
    with pytest.raises(WarehouseError, match="no"):
        retrying(failing(1, WarehouseError("no")), lambda: False, lambda _: None)
