"""What a lane counted, as rows of `flow_stats`."""

import threading

from flows.companions import as_frame
from flows.stats import LaneStats
from sql.warehouse import Warehouse
from tests.flows.making import NOW_MS


def made(lane: str = "read") -> LaneStats:
    return LaneStats("status", lane, "0/1")


def test_sums_start_anew_and_levels_stay() -> None:
    stats = made()
    stats.add(events=5, rows=4)
    stats.add(events=2, insert_ms=1.5)
    stats.add_repeats("twilio", "replay", 3)
    stats.add_dead_letters("too_large")
    stats.add_dead_letters("too_large", 2)
    stats.set(window_ids=9)
    first, second = stats.take(1), stats.take(2)
    assert (first["at"], first["events"], first["rows"], first["insert_ms"]) == (1, 7, 4, 1.5)
    assert (first["repeats"], first["dead_letters"]) == ({"twilio/replay": 3}, {"too_large": 3})
    assert (second["events"], second["rows"], second["repeats"], second["dead_letters"]) == (0, 0, {}, {})
    assert (first["window_ids"], second["window_ids"]) == (9, 9)


def test_lag_is_that_of_all_topics_of_the_lane() -> None:
    stats = made("other")
    stats.set_lag("outbound", 7)
    stats.set_lag("status.other", 2)
    stats.set_lag("outbound", 5)
    assert stats.take(1)["lag"] == 7


def test_the_age_of_what_was_read_last_ends_when_nothing_waits() -> None:
    stats = made()
    stats.add(events=1)
    stats.set(lag_ms=250)
    assert stats.take(1)["lag_ms"] == 250
    assert stats.take(2)["lag_ms"] == 0
    stats.set_lag("status.read", 1)
    assert stats.take(3)["lag_ms"] == 250, "kept waiting, it is as old as it was"


def test_the_longest_wait_for_a_batch_counts() -> None:
    stats = made()
    for age_ms in (5, 90, 7):
        stats.batch_aged(age_ms)
    assert [stats.take(1)["batch_age_ms"], stats.take(2)["batch_age_ms"]] == [90, 0]


def test_counts_from_many_threads_are_all_there() -> None:
    stats, taken = made(), []
    threads = [threading.Thread(target=lambda: [stats.add(events=1) for _ in range(2_000)]) for _ in range(4)]
    for thread in threads:
        thread.start()
    while any(thread.is_alive() for thread in threads):
        taken.append(stats.take(0)["events"])
    assert sum(taken) + stats.take(0)["events"] == 8_000


def test_rows_land_in_flow_stats(tables: Warehouse) -> None:
    """A lane that did nothing beside one that did, whole milliseconds beside parts of one."""
    busy, idle = made("delivered"), made("read")
    busy.add(events=3, insert_ms=0.25)
    busy.add_repeats("twilio", "repeat", 2)
    tables.insert("flow_stats", as_frame([idle.take(NOW_MS), busy.take(NOW_MS)]))
    tables.insert("flow_stats", as_frame([idle.take(NOW_MS + 1_000)]))
    rows = tables.query("SELECT lane, events, insert_ms, repeats FROM flow_stats ORDER BY at, lane").rows()
    assert [(*row[:3], dict(row[3])) for row in rows] == [
        ("delivered", 3, 0.25, {"twilio/repeat": 2}),
        ("read", 0, 0.0, {}),
        ("read", 0, 0.0, {}),
    ]
