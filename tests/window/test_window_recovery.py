"""A restored window is never newer than the offsets beside it, whatever moment it died at."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from flows.id_table import EARLIER, FIRST, REPLAY
from flows.window import Manifest, Slot, Window
from schemas.times import HOUR_MS, fixed_clock
from tests.window.events import HOUR, NOW_MS, Sighting, part_of

NAME = "lane-0-0"


def open_window(folder: Path) -> Window:
    return Window(folder, fixed_clock(NOW_MS), 6 * HOUR_MS, 1 << 30)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path


_open: list[Window] = []


@pytest.fixture(autouse=True)
def _none_left_open() -> Iterator[None]:
    yield
    crash()


def crash() -> None:
    """Closing a window writes nothing: what is left is the folder, as after kill -9."""
    while _open:
        _open.pop().close()


def restart(folder: Path, manifest: Manifest | None) -> Slot:
    """All that a new process has is the folder and the last durable snapshot."""
    crash()
    _open.append(open_window(folder))
    return Slot(NAME, _open[-1], manifest)


def sight(slot: Slot, *sightings: Sighting) -> list[int]:
    found = slot.sight(part_of(sightings))
    assert found is not None
    return found.tolist()


def test_what_a_snapshot_held_is_held_again(folder: Path) -> None:
    slot = restart(folder, None)
    sight(slot, Sighting(0, 9), Sighting(8, 9), Sighting(8, 5))
    again = restart(folder, slot.snapshot())
    assert sight(again, Sighting(0, 9), Sighting(8, 5), Sighting(8, 4)) == [REPLAY, REPLAY, EARLIER]


def test_crash_between_the_logs_write_and_the_snapshot_forgets_what_came_after(folder: Path) -> None:
    slot = restart(folder, None)
    sight(slot, Sighting(0))
    durable = slot.snapshot()
    sight(slot, Sighting(8))
    slot.snapshot()  # the log has it; that this snapshot became durable nobody says
    assert sight(restart(folder, durable), Sighting(8), Sighting(0)) == [FIRST, REPLAY]


def test_crash_in_a_buckets_first_epoch_forgets_the_bucket(folder: Path) -> None:
    slot = restart(folder, None)
    sight(slot, Sighting(0))
    slot.snapshot()
    assert sight(restart(folder, None), Sighting(0)) == [FIRST]


def test_crash_after_a_slot_was_reused_brings_the_hour_before_back(folder: Path) -> None:
    slot = restart(folder, None)
    sight(slot, Sighting(0, hour=HOUR - 4))
    durable = slot.snapshot()
    sight(slot, Sighting(0))
    slot.snapshot()
    again = restart(folder, durable)
    assert sight(again, Sighting(0, hour=HOUR - 4)) == [REPLAY]
    assert sight(again, Sighting(0)) == [FIRST]


def test_files_go_only_when_a_later_snapshot_without_them_is_durable(folder: Path) -> None:
    slot = restart(folder, None)
    sight(slot, Sighting(0, hour=HOUR - 4))
    slot.snapshot()
    (old,) = folder.iterdir()
    sight(slot, Sighting(0))
    slot.snapshot()
    assert old.exists(), "the snapshot before, which names it, may still be the one that counts"
    slot.snapshot()
    assert not old.exists()


def test_files_that_no_snapshot_names_are_removed(folder: Path) -> None:
    slot = restart(folder, None)
    sight(slot, Sighting(0))
    slot.snapshot()
    restart(folder, None)
    assert list(folder.iterdir()) == []


@pytest.mark.parametrize("left_bytes", [None, 0, 12, 13])
def test_a_missing_or_shorter_log_makes_an_empty_window(folder: Path, left_bytes: int | None) -> None:
    slot = restart(folder, None)
    sight(slot, Sighting(0), Sighting(8))
    durable = slot.snapshot()
    (log,) = folder.iterdir()
    if left_bytes is None:
        log.unlink()
    else:
        log.write_bytes(log.read_bytes()[:left_bytes])
    again = restart(folder, durable)
    assert sight(again, Sighting(0), Sighting(8)) == [FIRST, FIRST]
    assert sight(restart(folder, durable), Sighting(8)) == [FIRST], "nor may the second crash leave what came since"
    again = restart(folder, durable)
    sight(again, Sighting(0), Sighting(8))
    assert sight(restart(folder, again.snapshot()), Sighting(0), Sighting(8)) == [REPLAY, REPLAY]


def test_contexts_keep_their_numbers_over_a_restart(folder: Path) -> None:
    slot = restart(folder, None)
    first = [Sighting(0, error_code=code) for code in "abc"]
    sight(slot, *first)
    again = restart(folder, slot.snapshot())
    assert sight(again, *reversed(first), Sighting(0, error_code="d")) == [REPLAY, REPLAY, REPLAY, FIRST]


keys = st.integers(0, 5).map(lambda number: 8 * number)
sightings = st.tuples(
    keys,
    st.integers(0, 3),
    st.sampled_from("ab"),
    st.sampled_from(["", "x"]),
    st.sampled_from([HOUR, HOUR - 3, HOUR - 9]),
).map(lambda drawn: Sighting(drawn[0], drawn[1], drawn[2], error_code=drawn[3], hour=drawn[4]))
steps = st.lists(
    st.one_of(st.lists(sightings, min_size=1, max_size=6), st.just("snapshot"), st.just("crash")), max_size=25
)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps=steps)
def test_never_drops_a_first_or_an_earlier_event(tmp_path_factory: pytest.TempPathFactory, steps: list[object]) -> None:
    """The law, over any arrivals, snapshots and crashes: of whatever is dropped the same event had passed before, no
    later in event time, and in an epoch that counts. After a crash only what passed before the last snapshot is sure to
    have reached a table.
    """
    folder = tmp_path_factory.mktemp("window")
    crash()
    slot, durable = restart(folder, None), None
    passed: dict[tuple[object, ...], int] = {}
    sure: dict[tuple[object, ...], int] = {}
    for step in steps:
        if step == "snapshot":
            durable, sure = slot.snapshot(), dict(passed)
        elif step == "crash":
            slot, passed = restart(folder, durable), dict(sure)
        else:
            for sighting in step:  # type: ignore[attr-defined]
                identity = (*sighting.identity, sighting.hour)
                found = slot.sight(part_of([sighting]))
                if found is not None and found[0] >= REPLAY:
                    assert passed[identity] <= sighting.at_ms
                else:
                    passed[identity] = min(passed.get(identity, sighting.at_ms), sighting.at_ms)
