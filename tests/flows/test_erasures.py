"""Who was erased is known, or nothing goes on: nobody is taken for never erased."""

from collections.abc import Callable

import pytest

from flows import erasures, stopping
from flows.erasures import NOBODY, ErasureList
from flows.stopping import Stop
from schemas.errors import TidemarkError, WarehouseDown, WarehouseError
from sql.warehouse import Warehouse


class Answers:
    """In the warehouse's place, for `load_erased`."""

    def __enter__(self) -> "Answers":
        return self

    def __exit__(self, *_: object) -> None:
        """Nothing is open."""


def listing(monkeypatch: pytest.MonkeyPatch, stop: Stop, load: Callable[[Warehouse], object]) -> ErasureList:
    monkeypatch.setattr(erasures, "load_erased", load)
    found = ErasureList(Answers, stop)  # type: ignore[arg-type]
    found.start()
    return found


def raising(error: Exception) -> Callable[[Warehouse], object]:
    def load(_: Warehouse) -> object:
        raise error

    return load


def test_a_load_that_fails_is_raised_and_ends_the_flow(monkeypatch: pytest.MonkeyPatch) -> None:
    for error, told in ((WarehouseError("no such table"), "no such table"), (ValueError("a bug"), "ValueError: a bug")):
        stop = Stop()
        with pytest.raises(TidemarkError, match=told):
            listing(monkeypatch, stop, raising(error)).current()
        assert stop()


def test_an_end_before_the_database_answered_is_raised(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stopping, "LAST_TRIES_S", 0.1)
    stop = Stop()
    stop.ask()
    with pytest.raises(WarehouseDown, match="who was erased is not known"):
        listing(monkeypatch, stop, raising(WarehouseDown("connection refused"))).current()


def test_a_flow_that_is_asked_to_end_while_it_loads_waits_for_that(monkeypatch: pytest.MonkeyPatch) -> None:
    stop = Stop()

    def load(_: Warehouse) -> object:
        stop.ask()
        return NOBODY

    assert listing(monkeypatch, stop, load).current() is NOBODY
    assert stop.failure is None
