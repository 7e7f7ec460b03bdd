"""File topics: segments, long lines, archives, gaps, damage."""

import gzip
import os
import time
import tracemalloc
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from flows.topics import LINE_LIMIT_BYTES, archive, open_producer, open_reader
from flows.topics.file_producer import FileProducer
from schemas.errors import TopicError, TopicGap, UsageError
from schemas.events import PAYLOAD_LIMIT_BYTES
from schemas.settings import Settings
from tests.topics.reading import (
    GROUP,
    accepting_gaps,
    drain,
    file_settings,
    lines_of,
    numbered,
    placed,
    read_lines,
    write,
)

TOPIC = "events"


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return file_settings(tmp_path)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Partition 0 of the topic, once something was written."""
    return tmp_path / TOPIC / "00000"


def write_segments(settings: Settings, count: int, lines_each: int = 10) -> list[bytes]:
    """Each by a writer of its own; returns all lines."""
    for first in range(0, count * lines_each, lines_each):
        write(settings, TOPIC, 0, numbered(range(first, first + lines_each)))
    return numbered(range(count * lines_each)).splitlines()


def test_segments_roll_at_their_size_and_are_read_in_order(tmp_path: Path, folder: Path) -> None:
    producer = FileProducer(tmp_path, partitions=1, fsync=False, segment_bytes=1_000)
    for number in range(500):
        producer.append(TOPIC, 0, numbered([number]))
    producer.append(TOPIC, 0, numbered(range(500, 700)))  # larger than a segment: alone in one
    producer.append(TOPIC, 0, numbered([700]))
    producer.flush()
    sizes = [path.stat().st_size for path in sorted(folder.glob("*.ndjson"))]
    assert sizes == [1_000, 1_000, 1_000, 1_000, 890, 2_000, 10]
    assert read_lines(file_settings(tmp_path), TOPIC, 701) == numbered(range(701)).splitlines()
    producer.close()


def test_ended_segments_leave_the_position(settings: Settings) -> None:
    """However long the topic gets, a position names only what is still to be read."""
    write_segments(settings, 5)
    live = open_producer(settings)
    live.append(TOPIC, 0, numbered([50]))
    reader = open_reader(settings, TOPIC, [0], None, GROUP)
    drain(reader, 51)
    assert reader.positions() == {0: {"next": 7, "open": [[6, len(numbered([50])), 1]]}}
    live.close()
    drain(reader, 0)
    assert reader.positions() == {0: {"next": 7, "open": []}}
    reader.close()


def test_partitions_share_a_poll(tmp_path: Path) -> None:
    settings = file_settings(tmp_path, partitions=2)
    for partition in range(2):
        write(settings, TOPIC, partition, numbered(range(50_000)))
    reader = open_reader(settings, TOPIC, [0, 1], None, GROUP)
    records = reader.poll(400_000, 1.0)
    taken = [sum(len(record.value) for record in records if record.partition == partition) for partition in range(2)]
    assert taken == pytest.approx([200_000, 200_000], rel=0.01)
    reader.close()


@pytest.mark.parametrize("size", [10, 3_000_000])
def test_line_still_being_written_is_not_read(folder: Path, settings: Settings, size: int) -> None:
    producer = open_producer(settings)
    producer.append(TOPIC, 0, numbered([1]))
    reader = open_reader(settings, TOPIC, [0], None, GROUP)
    assert lines_of(drain(reader, 1)) == numbered([1]).splitlines()
    with (folder / "0000001.ndjson").open("ab", buffering=0) as file:
        for part in (b"y" * size, b"y" * size):
            file.write(part)
            assert reader.poll(1_000_000, 0.1) == []
        file.write(b"\n" + numbered([2]))
    assert lines_of(drain(reader, 2)) == [b"y" * 2 * size, *numbered([2]).splitlines()]
    reader.close()
    producer.close()


def _as_segment(folder: Path, lines: bytes) -> None:
    (folder / "0000002.ndjson").write_bytes(lines)


def _as_archive(folder: Path, lines: bytes) -> None:
    (folder / "0000002.ndjson.gz").write_bytes(gzip.compress(lines, 1))


@pytest.mark.parametrize("store", [_as_segment, _as_archive])
def test_line_of_70_mb_is_handed_over_cut_and_passed_by(
    settings: Settings, folder: Path, store: Callable[[Path, bytes], None]
) -> None:
    write(settings, TOPIC, 0, numbered([1]))
    store(folder, numbered([2]) + b"y" * 70_000_000 + b"\n" + numbered([3]))
    reader = open_reader(settings, TOPIC, [0], None, GROUP)
    tracemalloc.start()
    records = drain(reader, 4, max_bytes=100_000)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert [line for line in lines_of(records) if line[:1] != b"y"] == numbered([1, 2, 3]).splitlines()
    (cut,) = [record for record in records if record.oversized]
    assert (cut.oversized, cut.value) == (70_000_000, b"y" * PAYLOAD_LIMIT_BYTES)
    assert peak < LINE_LIMIT_BYTES // 2
    assert len(placed(records)) == 4
    reader.close()


def test_line_at_the_limit_is_read_whole(settings: Settings) -> None:
    longest = b"y" * LINE_LIMIT_BYTES + b"\n"
    write(settings, TOPIC, 0, longest + numbered([1]))
    assert read_lines(settings, TOPIC, 2) == [longest[:-1], *numbered([1]).splitlines()]


def test_archives_read_like_segments_from_any_position(settings: Settings, folder: Path) -> None:
    lines = write_segments(settings, 3, lines_each=2_000)
    reader = open_reader(settings, TOPIC, [0], None, GROUP)
    before = drain(reader, 6_000, max_bytes=7_000)
    middle = open_reader(settings, TOPIC, [0], None, GROUP)
    head = middle.poll(30_000, 1.0)
    kept = middle.positions()
    assert archive(settings, TOPIC) == 3
    assert archive(settings, TOPIC) == 0
    assert not list(folder.glob("*.ndjson"))
    # One that had the original open, one that goes on in the archive, one from the start.
    assert lines_of(head + drain(middle, len(lines) - len(lines_of(head)))) == lines
    assert lines_of(head) + read_lines(settings, TOPIC, len(lines) - len(lines_of(head)), start=kept) == lines
    again = open_reader(settings, TOPIC, [0], None, GROUP)
    assert again.lag() == {0: sum(len(line) + 1 for line in lines)}
    assert placed(drain(again, 6_000, max_bytes=11_000)) == placed(before)
    for each in (reader, middle, again):
        each.close()


def test_archiving_leaves_live_segments_alone_and_numbers_go_on(settings: Settings, folder: Path) -> None:
    write_segments(settings, 1)
    live = open_producer(settings)
    live.append(TOPIC, 0, numbered([10]))
    assert archive(settings, TOPIC) == 1
    assert sorted(path.name for path in folder.glob("0*")) == ["0000001.ndjson.gz", "0000002.ndjson"]
    live.append(TOPIC, 0, numbered([11]))
    live.close()
    assert archive(settings, TOPIC) == 1
    write(settings, TOPIC, 0, numbered([12]))
    assert (folder / "0000003.ndjson").exists()
    assert read_lines(settings, TOPIC, 13) == numbered(range(13)).splitlines()


def test_interrupted_archiving_is_made_good(settings: Settings, folder: Path) -> None:
    """Killed before the original went: it is still the one that counts."""
    lines = write_segments(settings, 1)
    (folder / "0000001.ndjson.gz").write_bytes(b"half an archive")
    assert read_lines(settings, TOPIC, 10) == lines
    assert archive(settings, TOPIC) == 1
    assert read_lines(settings, TOPIC, 10) == lines


def test_only_file_topics_are_archived() -> None:
    with pytest.raises(UsageError, match="only file topics"):
        archive(Settings(broker="kafka://127.0.0.1:9"), TOPIC)


def test_deleted_segments_are_a_gap_that_is_named(settings: Settings, folder: Path) -> None:
    write_segments(settings, 1)
    reader = open_reader(settings, TOPIC, [0], None, GROUP)
    drain(reader, 10)
    kept = reader.positions()
    reader.close()
    lines = write_segments(settings, 4)
    for number in (2, 3):
        (folder / f"000000{number}.ndjson").unlink()
    with pytest.raises(
        TopicGap, match="topic events, partition 0: segment 2 is no longer there; TIDEMARK_ACCEPT_GAP=1"
    ):
        open_reader(settings, TOPIC, [0], kept, GROUP)
    assert read_lines(accepting_gaps(settings), TOPIC, 20, start=kept) == lines[20:]


def test_segment_deleted_in_the_middle_of_reading_it_is_a_gap(settings: Settings, folder: Path) -> None:
    write_segments(settings, 2, lines_each=5_000)
    reader = open_reader(settings, TOPIC, [0], None, GROUP)
    read = len(lines_of(reader.poll(10_000, 1.0)))
    kept = reader.positions()
    reader.close()
    (folder / "0000001.ndjson").unlink()
    byte = len(numbered(range(read)))
    with pytest.raises(TopicGap, match=f"segment 1 from byte {byte} on is no longer there"):
        open_reader(settings, TOPIC, [0], kept, GROUP)
    rest = read_lines(accepting_gaps(settings), TOPIC, 5_000, start=kept)
    assert rest == numbered(range(5_000, 10_000)).splitlines()


def test_segment_deleted_before_an_open_reader_came_to_it_is_a_gap(settings: Settings, folder: Path) -> None:
    """What was read before is handed over first, and the error stays."""
    lines = write_segments(settings, 3)
    reader = open_reader(settings, TOPIC, [0], None, GROUP)
    (folder / "0000002.ndjson").unlink()
    assert lines_of(reader.poll(1_000_000, 1.0)) == lines[:10]
    for _ in range(2):
        with pytest.raises(TopicGap, match="segment 2 from byte 0"):
            reader.poll(1_000_000, 1.0)
    assert read_lines(accepting_gaps(settings), TOPIC, 10, start=reader.positions()) == lines[20:]
    reader.close()


def test_retention_of_all_that_was_read_is_no_gap_and_numbers_are_not_used_again(
    settings: Settings, folder: Path
) -> None:
    write_segments(settings, 2)
    reader = open_reader(settings, TOPIC, [0], None, GROUP)
    first = drain(reader, 20)
    for path in folder.glob("*.ndjson"):
        path.unlink()
    write(settings, TOPIC, 0, numbered([20]))
    second = drain(reader, 1)
    assert lines_of(second) == numbered([20]).splitlines()
    assert len(placed(first + second)) == 21
    assert read_lines(settings, TOPIC, 1) == numbered([20]).splitlines()
    reader.close()


def test_topic_made_anew_is_a_gap(settings: Settings, tmp_path: Path) -> None:
    write_segments(settings, 3)
    reader = open_reader(settings, TOPIC, [0], None, GROUP)
    drain(reader, 30)
    kept = reader.positions()
    reader.close()
    (tmp_path / TOPIC).rename(tmp_path / "old")
    write(settings, TOPIC, 0, numbered([1]))
    with pytest.raises(TopicGap, match="the topic was made anew"):
        open_reader(settings, TOPIC, [0], kept, GROUP)
    assert read_lines(accepting_gaps(settings), TOPIC, 1, start=kept) == numbered([1]).splitlines()


def test_new_segment_is_noticed_by_an_idle_reader_of_a_quiet_folder(settings: Settings, folder: Path) -> None:
    """Also once the folder's time of change lies so far back that it is not listed any more."""
    write_segments(settings, 1)
    long_ago_s = time.time() - 60
    os.utime(folder, (long_ago_s, long_ago_s))
    reader = open_reader(settings, TOPIC, [0], None, GROUP)
    drain(reader, 10)
    write(settings, TOPIC, 0, numbered([10]))
    assert lines_of(drain(reader, 1)) == numbered([10]).splitlines()
    reader.close()


def test_segment_made_within_one_tick_of_the_last_listing_is_noticed(settings: Settings, folder: Path) -> None:
    """The folder's time of change is then the same as before."""
    write_segments(settings, 1)
    changed_at_ns = folder.stat().st_mtime_ns
    reader = open_reader(settings, TOPIC, [0], None, GROUP)
    write(settings, TOPIC, 0, numbered([10]))
    os.utime(folder, ns=(changed_at_ns, changed_at_ns))
    assert len(lines_of(drain(reader, 11, within_s=2.0))) == 11
    reader.close()


def test_foreign_files_in_a_partition_are_passed_by(settings: Settings, folder: Path) -> None:
    lines = write_segments(settings, 1)
    (folder / "notes.txt").write_text("x")
    (folder / "2.ndjson").write_text("x\n")
    (folder / "0000002.ndjson.tmp").write_text("x\n")
    assert read_lines(settings, TOPIC, 10) == lines


def test_damaged_archive_is_one_clear_line_after_what_is_whole(settings: Settings, folder: Path) -> None:
    lines = write_segments(settings, 2)
    archive(settings, TOPIC)
    second = folder / "0000002.ndjson.gz"
    second.write_bytes(second.read_bytes()[:20])
    reader = open_reader(settings, TOPIC, [0], None, GROUP)
    assert lines_of(reader.poll(1_000_000, 1.0)) == lines[:10]
    with pytest.raises(TopicError, match="a damaged archive"):
        reader.poll(1_000_000, 1.0)
    reader.close()


def test_damaged_group_file_means_the_earliest(settings: Settings, tmp_path: Path) -> None:
    lines = write_segments(settings, 1)
    groups = tmp_path / TOPIC / ".groups"
    groups.mkdir()
    (groups / f"{GROUP}.json").write_text('{"0": {"next"')
    assert read_lines(settings, TOPIC, 10) == lines


@pytest.mark.parametrize("position", [{"next": -1}, {"next": 1, "open": [["a", 1, 2]]}, {"open": 5}, 3, None, "x"])
def test_malformed_position_is_one_clear_line(settings: Settings, position: object) -> None:
    write_segments(settings, 1)
    with pytest.raises(TopicError, match="topic events, partition 0: not a position in a file topic"):
        open_reader(settings, TOPIC, [0], {0: position}, GROUP)  # type: ignore[dict-item]


def test_root_that_is_no_folder_is_one_clear_line(tmp_path: Path) -> None:
    (tmp_path / "taken").write_text("")
    producer = open_producer(file_settings(tmp_path / "taken"))
    with pytest.raises(TopicError, match="taken/events: Not a directory"):
        producer.append(TOPIC, 0, numbered([1]))
    producer.close()


def test_number_of_partitions_is_bounded(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="TIDEMARK_PARTITIONS=1025: expected 1 to 1024"):
        open_producer(file_settings(tmp_path, partitions=1025)).partitions(TOPIC)
    assert not list(tmp_path.iterdir())


def test_fsync_covers_lines_and_the_names_of_new_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    synced: list[int] = []
    sync = os.fsync

    def noted_sync(fd: int) -> None:
        synced.append(os.fstat(fd).st_ino)
        sync(fd)

    monkeypatch.setattr(os, "fsync", noted_sync)
    producer = FileProducer(tmp_path, partitions=1, fsync=True)
    producer.append(TOPIC, 0, numbered([1]))
    folder = tmp_path / TOPIC / "00000"
    assert set(synced) == {path.stat().st_ino for path in (tmp_path, tmp_path / TOPIC, folder)}
    synced.clear()
    producer.flush()
    producer.flush()  # nothing new
    assert synced == [(folder / "0000001.ndjson").stat().st_ino]
    producer.close()


def test_what_gathers_is_handed_to_the_disk_by_the_megabyte_once_each(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every byte but the last few, in order; and what was handed on is read as before."""
    handed: list[tuple[int, int]] = []
    real = os.posix_fadvise

    def note(fd: int, start: int, size: int, advice: int) -> None:
        handed.append((start, size))
        real(fd, start, size, advice)

    monkeypatch.setattr("os.posix_fadvise", note)
    own = Settings(broker=f"file://{tmp_path}", partitions=1)
    lines = [b"%07d" % number + b"x" * 400_000 + b"\n" for number in range(8)]
    with closing(open_producer(own)) as producer:
        for line in lines:
            producer.append("t", 0, line)
    size = len(lines[0])
    assert handed == [(0, 3 * size), (3 * size, 3 * size)]
    with closing(open_reader(own, "t", [0], {}, "g")) as reader:
        read = b""
        while len(read) < 8 * size:
            read += b"".join(record.value for record in reader.poll(1 << 20, 1.0))
    assert read == b"".join(lines)
