"""What runs beside the flow: the sweeper, one at a time, and a row of `flow_stats` a second."""

import fcntl
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from flows import erasures
from flows.companions import Companions
from flows.erasures import Erased, ErasureList, load_erased
from flows.stats import LaneStats
from flows.stopping import Stop
from flows.sweeper import Sweeper
from flows.window import Window
from schemas.errors import TidemarkError
from schemas.settings import Settings, Slice
from schemas.statuses import Lane
from schemas.times import HOUR_MS, fixed_clock
from sql.warehouse import Warehouse
from tests.flows.making import NOW_MS, foreign, line, outbound, records_of
from tests.flows.playing import Middle

WHOLE = Slice(0, 1)


def companions(tables: Warehouse, folder: Path, stop: Stop, slice_: Slice = WHOLE) -> Companions:
    settings = Settings(clickhouse=str(tables), recovery=str(folder / "recovery"), slice=slice_)
    stats = {lane: LaneStats("status", lane, str(slice_)) for lane in Lane}
    clock = fixed_clock(NOW_MS)
    erased = ErasureList(lambda: Warehouse(settings.clickhouse, share=True), stop)
    return Companions(settings, stats, Window(folder / "beside", clock, HOUR_MS, 1 << 30), clock, stop, erased)


@pytest.fixture
def waits(tables: Warehouse, tmp_path: Path) -> Iterator[Warehouse]:
    """A status and its outbound record have landed, and nobody has matched them yet."""
    middle = Middle(tables, tmp_path / "window")
    middle.outbound(records_of([line(outbound("accepted"))]))
    middle.events(Lane.DELIVERED, records_of([line(foreign())]))
    middle.flush()
    yield tables
    middle.close()


def ended() -> Stop:
    """A flow that was asked to end: its threads do nothing more but what an end demands."""
    stop = Stop()
    stop.ask()
    return stop


def run(beside: Companions) -> None:
    beside.start()
    beside.finish()


def matched(warehouse: Warehouse) -> bool:
    return bool(warehouse.query("SELECT count() AS n FROM v_events WHERE status = 'delivered'").item())


def test_the_last_that_landed_is_matched_before_the_end(waits: Warehouse, tmp_path: Path) -> None:
    """And every lane has left a row of what it did."""
    run(companions(waits, tmp_path, ended()))
    assert matched(waits)
    assert set(waits.query("SELECT DISTINCT lane FROM flow_stats")["lane"]) == set(Lane)


def test_one_sweeper_at_a_time(waits: Warehouse, tmp_path: Path) -> None:
    """Two could give one message two keys. Whoever comes second leaves it to the first, also at its end."""
    (tmp_path / "recovery").mkdir()
    with (tmp_path / "recovery" / "sweeper.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        run(companions(waits, tmp_path, ended()))
    assert not matched(waits)


def test_the_first_slice_sweeps_for_all(waits: Warehouse, tmp_path: Path) -> None:
    run(companions(waits, tmp_path / "1", ended(), Slice(1, 2)))
    assert not matched(waits)
    run(companions(waits, tmp_path / "0", ended(), Slice(0, 2)))
    assert matched(waits)


def test_a_sweeper_that_fails_ends_the_flow(tables: Warehouse, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of whatever: statuses would wait for ever, unseen."""

    def fail(*_: object, **__: object) -> int:
        raise ValueError("a bug")

    monkeypatch.setattr(Sweeper, "sweep", fail)
    stop = Stop()
    beside = companions(tables, tmp_path, stop)
    beside.start()
    assert stop.wait(20)
    beside.finish()
    assert str(stop.failure) == "sweeper: ValueError: a bug"


def test_none_of_them_holds_the_engine_after_the_end(
    tables: Warehouse, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever comes next may want another folder, and a process holds one: here erasures take a while to load."""
    began = threading.Event()

    def slowly(warehouse: Warehouse) -> Erased:
        loaded = load_erased(warehouse)
        began.set()
        time.sleep(0.5)
        return loaded

    monkeypatch.setattr(erasures, "load_erased", slowly)
    beside = companions(tables, tmp_path, Stop())
    beside.start()
    assert began.wait(20)
    beside.finish()
    tables.close()
    with Warehouse(f"chdb://{tmp_path / 'another'}", create=True) as another:
        another.command("SELECT 1")


def test_the_first_failure_is_the_one_that_counts() -> None:
    stop = Stop()
    assert not stop()
    assert not stop.wait(0)
    stop.ask()
    assert (stop(), stop.wait(0), stop.failure, stop.presses()) == (True, True, None, False)
    stop.fail(TidemarkError("first"))
    stop.fail(TidemarkError("second"))
    assert (str(stop.failure), stop.presses()) == ("first", True)
