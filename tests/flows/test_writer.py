"""A lane's writer: what it cuts, what `drain` promises, and what becomes of an error."""

import threading
import time
from collections.abc import Callable, Iterator
from datetime import timedelta

import numpy as np
import polars as pl
import pytest
from polars.exceptions import PanicException

from flows.stats import LaneStats
from flows.status_events import decode
from flows.stopping import Stop
from flows.writer import BLOCK_ROWS, STATUS_EVENTS, Cut, Inserts, Table, Writer, by_table
from schemas.errors import TidemarkError, WarehouseDown, WarehouseError
from sql.warehouse import Warehouse
from tests.flows.making import NOW_MS, event, line, records_of

DEADLINE_S = 20
NEVER_S = 3_600.0
MANY = 1_000_000


class Database:
    """Takes inserts once it is let; `errors` come first, in their order."""

    def __init__(self, *errors: BaseException, open_: bool = True) -> None:
        self.errors = list(errors)
        self.inserts: list[tuple[str, list[int]]] = []
        self.asked = threading.Semaphore(0)
        self.may = threading.Event()
        self.closed = threading.Event()
        if open_:
            self.may.set()

    def insert(self, table: str, frame: pl.DataFrame) -> None:
        self.asked.release()
        assert self.may.wait(DEADLINE_S)
        if self.errors:
            raise self.errors.pop(0)
        self.inserts.append((table, frame["n"].to_list()))

    def close(self) -> None:
        self.closed.set()

    @property
    def landed(self) -> list[int]:
        return [number for _, numbers in self.inserts for number in numbers]


Make = Callable[..., Writer]


@pytest.fixture
def stop() -> Stop:
    return Stop()


@pytest.fixture
def stats() -> LaneStats:
    return LaneStats("status", "read", "0/1")


@pytest.fixture
def make(stop: Stop, stats: LaneStats) -> Iterator[Make]:
    made: list[Writer] = []

    def _make(database: Inserts, rows: int = MANY, age_s: float = NEVER_S, floods: bool = False) -> Writer:
        made.append(Writer("read", lambda: database, Cut(rows, age_s, 30 * age_s), lambda: floods, stats, stop))
        return made[-1]

    yield _make
    for writer in made:
        writer.close()


def rows(*numbers: int, table: str = "t") -> Table:
    return Table(table, pl.DataFrame({"n": numbers}))


def eventually(holds: Callable[[], bool]) -> None:
    until = time.monotonic() + DEADLINE_S
    while not holds():
        assert time.monotonic() < until, "waited in vain"
        time.sleep(0.001)


def in_thread(action: Callable[[], None]) -> tuple[threading.Thread, list[BaseException | None]]:
    outcome: list[BaseException | None] = []

    def run() -> None:
        try:
            action()
            outcome.append(None)
        except TidemarkError as error:
            outcome.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    return thread, outcome


@pytest.mark.parametrize(
    ("count", "blocks"),
    [(0, []), (1, [1]), (BLOCK_ROWS + 7, [BLOCK_ROWS + 7]), (2 * BLOCK_ROWS + 7, [BLOCK_ROWS + 4, BLOCK_ROWS + 3])],
)
def test_a_large_batch_goes_in_equal_blocks_and_no_few_rows_on_their_own(
    make: Make, count: int, blocks: list[int]
) -> None:
    """An insert into nine tables costs as much as 50,000 rows."""
    database = Database()
    writer = make(database)
    none_land = np.zeros(1, np.bool_)
    writer.put(Table("t", pl.DataFrame({"n": [-1]}), none_land))
    writer.put(Table("t", pl.DataFrame({"n": np.arange(count)})))
    writer.drain()
    assert [len(numbers) for _, numbers in database.inserts] == blocks
    assert database.landed == list(range(count))


def test_a_batch_goes_when_it_has_its_rows(make: Make) -> None:
    database = Database()
    writer = make(database, rows=5)
    writer.put(rows(1, 2))
    writer.put(rows(3, 4))
    assert database.inserts == []
    writer.put(rows(5))
    eventually(lambda: database.inserts == [("t", [1, 2, 3, 4, 5])])
    eventually(writer.idle)


def test_a_batch_goes_when_its_oldest_row_has_waited_long_enough(make: Make) -> None:
    """Each of fifty, one after the other: found only by an idle writer's next look, they would take a minute."""
    database = Database()
    writer = make(database, age_s=0.01)
    until = time.monotonic() + DEADLINE_S
    for number in range(50):
        writer.put(rows(number))
        while number not in database.landed:
            assert time.monotonic() < until
            time.sleep(0.001)
    assert database.landed == list(range(50))


def test_a_flood_is_waited_for_longer(make: Make) -> None:
    database = Database()
    writer = make(database, age_s=0.03, floods=True)
    writer.put(rows(1))
    time.sleep(0.15)
    writer.put(rows(2))
    eventually(lambda: database.inserts == [("t", [1, 2])])


def test_tables_are_inserted_in_their_order_of_arrival(make: Make) -> None:
    database = Database()
    writer = make(database)
    for table in (rows(1, table="b"), rows(2, table="a"), rows(3, table="b"), rows(4, table="c")):
        writer.put(table)
    writer.drain()
    assert database.inserts == [("b", [1, 3]), ("a", [2]), ("c", [4])]


def test_drain_returns_when_all_has_landed(make: Make) -> None:
    database = Database(open_=False)
    writer = make(database)
    writer.put(rows(1))
    draining, outcome = in_thread(writer.drain)
    assert database.asked.acquire(timeout=DEADLINE_S)
    writer.put(rows(2))
    assert draining.is_alive()
    assert not writer.idle()
    database.may.set()
    writer.drain()
    draining.join(DEADLINE_S)
    assert (outcome, database.landed, writer.idle()) == ([None], [1, 2], True)


def test_drain_of_nothing_returns_and_makes_nothing_hasty(make: Make) -> None:
    """What is put after it waits for its batch as ever."""
    database = Database()
    writer = make(database, rows=2)
    writer.drain()
    writer.begin_drain()
    writer.put(rows(1))
    time.sleep(0.05)
    assert database.inserts == []
    writer.put(rows(2))
    eventually(lambda: database.inserts == [("t", [1, 2])])


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (WarehouseError("no such column"), "no such column"),
        (ValueError("a bug"), "ValueError: a bug"),
        (PanicException("a panic of Polars"), "PanicException: a panic of Polars"),
    ],
)
def test_a_failure_surfaces_in_drain_and_put_and_ends_the_flow(
    make: Make, stop: Stop, error: BaseException, told: str
) -> None:
    """Whoever drains at that moment must not be told that all has landed."""
    database = Database(error, open_=False)
    writer = make(database)
    writer.put(rows(1))
    draining, outcome = in_thread(writer.drain)
    assert database.asked.acquire(timeout=DEADLINE_S)
    database.may.set()
    draining.join(DEADLINE_S)
    assert [str(failure) for failure in outcome] == [told]
    eventually(stop)
    assert str(stop.failure) == told
    assert database.closed.is_set()
    for action in (writer.drain, lambda: writer.put(rows(2))):
        with pytest.raises(TidemarkError, match=told):
            action()


def test_no_failure_is_missed_while_the_connection_closes(make: Make) -> None:
    """The moment between a failed insert and its telling is long where the connection takes long to close."""

    class Slow(Database):
        def close(self) -> None:
            time.sleep(0.2)

    writer = make(Slow(WarehouseError("refused")))
    writer.put(rows(1))
    with pytest.raises(WarehouseError, match="refused"):
        writer.drain()


def test_a_database_that_is_down_is_waited_for(make: Make, stats: LaneStats, stop: Stop) -> None:
    """No row is lost or put in another order, and what comes meanwhile is taken until there is too much of it."""
    database = Database(*[WarehouseDown("down")] * 3, open_=False)
    writer = make(database, rows=2)
    writer.put(rows(1, 2))
    assert database.asked.acquire(timeout=DEADLINE_S)
    assert not writer.congested()
    for number in range(3, 8):
        writer.put(rows(number))
    assert writer.congested()
    database.may.set()
    writer.drain()
    assert database.inserts == [("t", [1, 2]), ("t", [3, 4, 5, 6, 7])]
    assert not writer.congested()
    taken = stats.take(0)
    assert (taken["batches"], taken["batch_rows"], taken["retries"] > 0) == (2, 7, True)
    assert not stop()


def test_a_stop_ends_the_wait_for_a_database_that_is_down(make: Make, stop: Stop) -> None:
    """With an error in `drain`: the rows have not landed, and are read again at the next start."""
    database = Database(*[WarehouseDown("down")] * 1_000)
    writer = make(database)
    writer.put(rows(1))
    draining, outcome = in_thread(writer.drain)
    assert database.asked.acquire(timeout=DEADLINE_S)
    stop.fail(WarehouseDown("asked for twice"))
    draining.join(DEADLINE_S)
    assert [type(failure) for failure in outcome] == [WarehouseDown]


def test_close_does_not_wait_for_a_database_that_is_down(make: Make) -> None:
    database = Database(*[WarehouseDown("down")] * 1_000)
    writer = make(database)
    writer.put(rows(1))
    writer.begin_drain()
    assert database.asked.acquire(timeout=DEADLINE_S)
    writer.close()
    assert database.closed.is_set()
    assert database.inserts == []


def test_only_rows_that_passed_the_window_land() -> None:
    some = rows(1, 2, 3)._replace(lands=np.array([True, False, True]))
    none = rows(4)._replace(lands=np.array([False]))
    ((_, frame),) = by_table([some, none, rows(5)])
    assert frame["n"].to_list() == [1, 3, 5]


def test_times_become_times() -> None:
    ((_, frame),) = by_table([Table("progress", pl.DataFrame({"at": [NOW_MS], "queue": [5]}))])
    (row,) = frame.rows()
    assert row[0] - timedelta(milliseconds=NOW_MS) == row[0].fromtimestamp(0, row[0].tzinfo)
    assert row[1] == 5


def test_rows_reach_the_real_tables(tables: Warehouse, make: Make, stats: LaneStats) -> None:
    """More than a block, from several polls."""
    writer = make(tables)
    for start in (0, 250_000):
        lines = [line(event(message_key=number)) for number in range(start, start + 250_000, 10)]
        writer.put(Table(STATUS_EVENTS, decode(records_of(lines), NOW_MS).own))
    writer.drain()
    found = tables.query(
        "SELECT count() AS n, uniqExact(message_key) AS messages, max(message_key) AS last FROM v_events"
    )
    assert found.row(0) == (50_000, 50_000, 499_990)
    assert stats.take(0)["rows"] == 50_000


def test_events_of_a_hundred_and_more_months_in_one_batch_land(tables: Warehouse, make: Make) -> None:
    """ClickHouse refuses by default what one line each of hostile input can bring about, at every retry."""
    since_2015 = range(1_420_070_400_000, NOW_MS, 31 * 86_400_000)
    lines = [line(event(event_time=at, sent_at=None, message_key=at)) for at in since_2015]
    assert len(lines) > 100
    writer = make(tables)
    writer.put(Table(STATUS_EVENTS, decode(records_of(lines), NOW_MS).own))
    writer.drain()
    assert tables.query("SELECT count() AS n FROM v_events").item() >= 1
