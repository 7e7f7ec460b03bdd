"""The dedup window as a whole: what it drops, what it must let through, what it costs, what it forgets."""

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest

from flows.id_table import EARLIER, FIRST, REPEAT, REPLAY, IdTable
from flows.stats import LaneStats
from flows.window import BUCKET_MS, CONTEXTS_AT_MOST, SHARDS, DedupWindow, Slot, Window
from schemas.times import HOUR_MS, fixed_clock
from tests.window.events import HOUR, NOW_MS, Sighting, part_of, parts_of


@pytest.fixture
def window(tmp_path: Path) -> Iterator[Window]:
    with closing(Window(tmp_path, fixed_clock(NOW_MS), 6 * HOUR_MS, 1 << 30)) as window:
        yield window


def verdicts(window: Window, *sightings: Sighting) -> list[int]:
    found = Slot("lane-0-0", window, None).sight(part_of(sightings))
    assert found is not None
    return found.tolist()


def test_tells_first_earlier_replay_and_repeat_apart(window: Window) -> None:
    first = Sighting(8, into_ms=500, receipt="a")
    assert verdicts(
        window,
        first,
        first,
        first._replace(receipt="b"),
        first._replace(into_ms=400, receipt="b"),
        first._replace(into_ms=450),
    ) == [FIRST, REPLAY, REPEAT, EARLIER, REPEAT]


@pytest.mark.parametrize(
    "other",
    [
        Sighting(0, campaign="d"),
        Sighting(0, attempt=2),
        Sighting(0, status="read"),
        Sighting(0, error_code="131049"),
        Sighting(8),
        Sighting(1 << 32),
        Sighting(1 << 62),
    ],
)
def test_every_part_of_the_identity_counts(window: Window, other: Sighting) -> None:
    assert verdicts(window, Sighting(0), other) == [FIRST, FIRST]


def test_raw_status_tells_only_unknown_ones_apart(window: Window) -> None:
    assert verdicts(window, Sighting(0, raw_status="x"), Sighting(0, raw_status="y"))[1] in (REPLAY, REPEAT)
    strange = Sighting(0, status="unknown", raw_status="x")
    assert verdicts(window, strange, strange._replace(raw_status="y")) == [FIRST, FIRST]


def test_contexts_without_end_bypass_and_are_never_dropped(window: Window) -> None:
    codes = [Sighting(0, error_code=str(code)) for code in range(CONTEXTS_AT_MOST + 10)]
    slot = Slot("lane-0-0", window, None)
    assert slot.sight(part_of(codes)).tolist() == [FIRST] * len(codes)
    again = slot.sight(part_of(codes[-12:])).tolist()
    assert again == [REPLAY, REPLAY] + [FIRST] * 10


@pytest.mark.parametrize("hour", [HOUR - 7, HOUR + 2])
def test_what_lies_outside_the_span_is_passed_and_counted(window: Window, hour: int) -> None:
    stats = LaneStats("status", "lane", "0-of-1")
    logic = DedupWindow("lane", window, stats, None, drop=True)
    judged, _ = logic.on_batch([part_of([Sighting(0, hour=hour), Sighting(0, hour=hour)])])
    assert judged[0].passes is None
    assert stats.take(0)["bypassed"] == 2


def test_observe_counts_repeats_by_provider_and_cause_and_passes_them(window: Window) -> None:
    stats = LaneStats("status", "lane", "0-of-1")
    logic = DedupWindow("lane", window, stats, None, drop=False)
    judged, _ = logic.on_batch([part_of([Sighting(0), Sighting(0), Sighting(0, receipt="other")])])
    assert judged[0].passes is None
    row = stats.take(0)
    assert row["repeats"] == {"p/replay": 1, "p/repeat": 1}
    assert row["dropped"] == 0


def test_drop_passes_only_first_sightings_and_earlier_ones(window: Window) -> None:
    stats = LaneStats("status", "lane", "0-of-1")
    logic = DedupWindow("lane", window, stats, None, drop=True)
    judged, _ = logic.on_batch([part_of([Sighting(0, 9), Sighting(0, 9), Sighting(0, 5), Sighting(8, 9)])])
    assert judged[0].passes is not None
    assert judged[0].passes.tolist() == [True, False, True, True]
    assert stats.take(0)["dropped"] == 1


def test_the_oldest_hours_go_first_when_memory_is_short(tmp_path: Path) -> None:
    window = Window(tmp_path, fixed_clock(NOW_MS), 6 * HOUR_MS, limit_bytes=30_000)
    slots = {hour: Slot(f"lane-0-{hour % window.ring}", window, None) for hour in (HOUR - 2, HOUR - 1, HOUR)}
    for hour, slot in slots.items():
        slot.sight(part_of([Sighting(0, hour=hour)]))
    window.trim()
    window.trim()
    assert [slot.bucket is not None for slot in slots.values()] == [False, True, True]
    assert slots[HOUR - 2].sight(part_of([Sighting(0, hour=HOUR - 2)])) is None, "evicted hours are not begun again"
    window.close()


def test_hours_past_the_span_are_let_go_by_the_clock(tmp_path: Path) -> None:
    now = NOW_MS
    window = Window(tmp_path, lambda: now, 6 * HOUR_MS, 1 << 30)
    slot = Slot("lane-0-0", window, None)
    slot.sight(part_of([Sighting(0)]))
    now += 7 * HOUR_MS
    window.trim()
    assert window.size() == (0, 0)


def test_five_million_ids_cost_at_most_32_bytes_each() -> None:
    """By the window's own count at any size, and by what the process grew at the end."""
    tables = [IdTable() for _ in range(SHARDS)]
    before = resident_bytes()
    worst = 0.0
    for start in range(0, 5_000_000, 50_000):
        keys = np.arange(start, start + 50_000, dtype=np.uint64)
        for shard, table in enumerate(tables):
            ids = keys[keys % np.uint64(SHARDS) == shard] | np.uint64(1 << 32)
            table.sight(ids, np.zeros(len(ids), np.uint32))
            worst = max(worst, table.bytes / len(table))
    assert sum(map(len, tables)) == 5_000_000
    assert worst <= 32
    assert resident_bytes() - before <= 32 * 5_000_000


def resident_bytes() -> int:
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * 4096


def test_parts_cover_every_row_once_by_shard_and_hour() -> None:
    rows = [Sighting(key, into_ms=key, hour=HOUR - key % 3) for key in range(1000)]
    parts = parts_of(rows)
    assert sorted(key for part in parts for key in part.frame["message_key"]) == list(range(1000))
    for part in parts:
        assert set(part.frame["message_key"] % SHARDS) == {part.shard}
        assert set(part.frame["event_time"] // BUCKET_MS) == {part.bucket}
