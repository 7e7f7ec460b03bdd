"""File topics when processes are killed and disks fill up."""

import gzip
import json
import os
import random
import resource
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from flows.topics import archive, open_producer, open_reader
from flows.topics.file_producer import FileProducer
from schemas.errors import TopicFull
from tests.topics.reading import GROUP, drain, file_settings, lines_of, numbered, placed, read_lines, write

TOPIC = "events"
PROJECT = Path(__file__).parents[2]

# Appends until killed; says the number of each line once it is acknowledged. The large lines take most of its time,
# so that a kill may well fall inside a write.
WRITER = """
import os, sys, time
from pathlib import Path
from flows.topics.file_producer import FileProducer
root, name, large, pause_s = Path(sys.argv[1]), sys.argv[2], int(sys.argv[3]), float(sys.argv[4])
producer = FileProducer(root, partitions=1, fsync=False, segment_bytes=5_000_000)
number = 0
while True:
    time.sleep(pause_s)
    filler = "y" * (large if number % 4 == 0 else 100 + number % 7 * 50)
    producer.append("events", 0, f'{{"by":"{name}","n":{number},"x":"{filler}"}}\\n'.encode())
    producer.flush()
    os.write(1, b"%d\\n" % number)
    number += 1
"""

# Acknowledges ten lines, then dies with half a line written.
TORN_WRITER = """
import os, signal, sys
from pathlib import Path
from flows.topics.file_producer import FileProducer
producer = FileProducer(Path(sys.argv[1]), partitions=1, fsync=False)
for number in range(10):
    producer.append("events", 0, b'{"by":"torn","n":%d}\\n' % number)
producer.flush()
whole = os.write
def half(fd, lines):
    whole(fd, lines[: len(lines) // 2])
    os.kill(os.getpid(), signal.SIGKILL)
os.write = half
producer.append("events", 0, b'{"by":"torn","n":10}\\n')
"""


def start(script: str, *args: object) -> "subprocess.Popen[bytes]":
    """Unbuffered: what a line's reader took beyond it, `communicate` would not find."""
    command = [sys.executable, "-c", script, *map(str, args)]
    return subprocess.Popen(command, cwd=PROJECT, bufsize=0, stdin=subprocess.PIPE, stdout=subprocess.PIPE)


def die_with_half_a_line(root: Path) -> None:
    writer = start(TORN_WRITER, root)
    writer.communicate(timeout=30)
    assert writer.returncode == -signal.SIGKILL


def numbers_of(lines: list[bytes], name: str) -> list[int]:
    events = [json.loads(line) for line in lines]
    return [event["n"] for event in events if event["by"] == name]


def test_writer_killed_in_mid_record_harms_no_record_of_the_other(tmp_path: Path) -> None:
    """Both append to the same partition, before and after."""
    settings = file_settings(tmp_path)
    other = open_producer(settings)
    reader_lines: list[bytes] = []
    other.append(TOPIC, 0, b'{"by":"other","n":0}\n')
    reader = open_reader(settings, TOPIC, [0], None, GROUP)
    die_with_half_a_line(tmp_path)
    other.append(TOPIC, 0, b'{"by":"other","n":1}\n')
    other.flush()
    reader_lines = lines_of(drain(reader, 12))
    assert numbers_of(reader_lines, "other") == [0, 1]
    assert numbers_of(reader_lines, "torn") == list(range(10))
    assert reader.positions()[0]["open"] == [[1, 42, 2]]  # type: ignore[index]  # the torn segment is done with
    other.close()
    reader.close()


def test_torn_line_is_cut_off_by_the_next_writer(tmp_path: Path) -> None:
    settings = file_settings(tmp_path)
    die_with_half_a_line(tmp_path)
    torn = tmp_path / TOPIC / "00000" / "0000001.ndjson"
    acknowledged = b"".join(b'{"by":"torn","n":%d}\n' % number for number in range(10))
    assert len(torn.read_bytes()) == len(acknowledged) + 10
    reader = open_reader(settings, TOPIC, [0], None, GROUP)
    before = drain(reader, 10)
    write(settings, TOPIC, 0, b'{"by":"next","n":0}\n')
    assert torn.read_bytes() == acknowledged
    after = drain(reader, 1)
    assert len(placed(before + after)) == 11
    assert read_lines(settings, TOPIC, 11) == (acknowledged + b'{"by":"next","n":0}\n').splitlines()
    reader.close()


def test_archive_of_a_torn_segment_holds_its_whole_lines(tmp_path: Path) -> None:
    settings = file_settings(tmp_path)
    die_with_half_a_line(tmp_path)
    assert archive(settings, TOPIC) == 1
    (packed,) = (tmp_path / TOPIC / "00000").glob("*.gz")
    assert numbers_of(gzip.decompress(packed.read_bytes()).splitlines(), "torn") == list(range(10))


def test_writer_killed_while_taking_its_segment_is_no_obstacle(tmp_path: Path) -> None:
    """Between the segment's two names."""
    settings = file_settings(tmp_path)
    write(settings, TOPIC, 0, numbered([1]))
    folder = tmp_path / TOPIC / "00000"
    (folder / ".new").write_bytes(b"")
    os.link(folder / ".new", folder / "0000002.ndjson")
    write(settings, TOPIC, 0, numbered([2]))
    assert sorted(path.name for path in folder.glob("*.ndjson")) == [f"000000{n}.ndjson" for n in (1, 2, 3)]
    assert read_lines(settings, TOPIC, 2) == numbered([1, 2]).splitlines()


def test_writers_killed_at_random_moments_lose_nothing_acknowledged(tmp_path: Path) -> None:
    """Two at a time in one partition, one of them killed again and again, while a reader follows."""
    moments = random.Random(20261121)
    open_producer(file_settings(tmp_path)).partitions(TOPIC)
    reader = open_reader(file_settings(tmp_path), TOPIC, [0], None, GROUP)
    records = []
    steady = start(WRITER, tmp_path, "steady", 2_000, 0.001)
    acknowledged: dict[str, int] = {}
    for turn in range(4):
        victim = start(WRITER, tmp_path, f"victim{turn}", 3_000_000, 0)
        assert victim.stdout
        victim.stdout.readline()
        killed_at_s = time.monotonic() + moments.uniform(0.0, 0.05)
        while time.monotonic() < killed_at_s:
            records += reader.poll(1_000_000, 0.005)
        acknowledged[f"victim{turn}"] = kill(victim)
    acknowledged["steady"] = kill(steady)
    while found := reader.poll(10_000_000, 0.3):
        records += found
    lines = lines_of(records)
    assert len(placed(records)) == len(lines)
    for name, last in acknowledged.items():
        numbers = numbers_of(lines, name)
        assert numbers in (list(range(last + 1)), list(range(last + 2)))  # one may be whole but not acknowledged
    assert {json.loads(line)["by"] for line in lines} == set(acknowledged)
    reader.close()


def kill(writer: "subprocess.Popen[bytes]") -> int:
    """The last number it acknowledged."""
    writer.kill()
    said, _ = writer.communicate(timeout=30)
    return int(said.split(b"\n")[-2]) if said.count(b"\n") else 0


def test_writers_that_start_at_once_never_share_a_segment(tmp_path: Path) -> None:
    script = """
import sys
from pathlib import Path
from flows.topics.file_producer import FileProducer
print(flush=True)
sys.stdin.readline()
for number in range(60):
    producer = FileProducer(Path(sys.argv[1]), partitions=1, fsync=False)
    producer.append("events", 0, b'{"by":"%s","n":%d}\\n' % (sys.argv[2].encode(), number))
    producer.close()
"""
    writers = [start(script, tmp_path, name) for name in range(3)]
    for writer in writers:
        assert writer.stdout
        writer.stdout.readline()
    for writer in writers:
        assert writer.stdin
        writer.stdin.write(b"go\n")
        writer.stdin.flush()
    assert [writer.wait(timeout=60) for writer in writers] == [0] * 3
    segments = sorted(path.name for path in (tmp_path / TOPIC / "00000").glob("*.ndjson"))
    assert segments == [f"{number:07}.ndjson" for number in range(1, 181)]
    lines = read_lines(file_settings(tmp_path), TOPIC, 180)
    for name in range(3):
        assert numbers_of(lines, str(name)) == list(range(60))
        writers[name].communicate()


@pytest.fixture
def full_at_1_mb() -> Iterator[None]:
    """Files of this process can't grow beyond that: a write stops short there, as on a full disk."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1_000_000, hard))
    yield
    resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 1 MiB."""
    folder = tmp_path / "small"
    folder.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(folder)], capture_output=True, check=False
    )
    if mounted.returncode:
        pytest.skip("only root may mount a small disk; test_write_that_stops_short covers the same")
    yield folder
    # Lazily: a test that failed still holds files open.
    subprocess.run(["umount", "--lazy", str(folder)], check=True)


def fill(producer: FileProducer, batch: bytes) -> int:
    """Append `batch` until there is no room; returns how many were taken."""
    for taken in range(1_000):
        try:
            producer.append(TOPIC, 0, batch)
        except TopicFull:
            return taken
    raise AssertionError("never full")


def test_full_disk_is_told_and_keeps_nothing_of_the_append(small_disk: Path) -> None:
    ballast = small_disk / "ballast"
    ballast.write_bytes(bytes(200_000))
    producer = FileProducer(small_disk, partitions=1, fsync=False)
    batch = numbered(range(10_000, 17_000))
    taken = fill(producer, batch)
    assert taken > 0
    producer.flush()
    assert fill(producer, batch) == 0
    settings = file_settings(small_disk)
    assert read_lines(settings, TOPIC, taken * 7_000) == batch.splitlines() * taken
    ballast.unlink()
    producer.append(TOPIC, 0, batch)
    producer.flush()
    producer.close()
    assert read_lines(settings, TOPIC, (taken + 1) * 7_000) == batch.splitlines() * (taken + 1)


@pytest.mark.usefixtures("full_at_1_mb")
def test_write_that_stops_short_keeps_nothing_of_the_append(tmp_path: Path) -> None:
    producer = FileProducer(tmp_path, partitions=1, fsync=False)
    batch = numbered(range(10_000, 40_000))
    taken = fill(producer, batch)
    producer.flush()
    segment = tmp_path / TOPIC / "00000" / "0000001.ndjson"
    assert segment.stat().st_size == taken * len(batch)
    producer.append(TOPIC, 0, batch)  # into the next segment
    producer.close()
    lines = read_lines(file_settings(tmp_path), TOPIC, (taken + 1) * 30_000)
    assert lines == batch.splitlines() * (taken + 1)


@pytest.mark.usefixtures("full_at_1_mb")
def test_reader_that_saw_a_write_that_was_taken_back_goes_on_unharmed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It may have read whole lines of it; no other line may then stand in their place."""
    producer = FileProducer(tmp_path, partitions=1, fsync=False)
    first, refused, later = (
        numbered(range(50_000)),
        numbered(range(100_000, 150_000)),
        numbered(range(200_000, 201_000)),
    )
    producer.append(TOPIC, 0, first)
    reader = open_reader(file_settings(tmp_path), TOPIC, [0], None, GROUP)
    records = drain(reader, 50_000)
    cut = os.ftruncate

    def read_before_it_is_cut(fd: int, size: int) -> None:
        records.extend(reader.poll(10_000_000, 1.0))
        cut(fd, size)

    monkeypatch.setattr(os, "ftruncate", read_before_it_is_cut)
    with pytest.raises(TopicFull, match="events: File too large"):
        producer.append(TOPIC, 0, refused)
    seen = len(lines_of(records)) - 50_000
    assert seen > 0
    kept = reader.positions()
    producer.append(TOPIC, 0, later)
    producer.flush()
    records += drain(reader, 1_000)
    assert lines_of(records) == (first + refused).splitlines()[: 50_000 + seen] + later.splitlines()
    assert len(placed(records)) == 51_000 + seen
    assert read_lines(file_settings(tmp_path), TOPIC, 1_000, start=kept) == later.splitlines()
    producer.close()
    reader.close()


def test_interrupted_append_leaves_the_segment_in_order(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Ctrl-C between the write and its count: an append that failed must not shift what later ones cut back to."""
    producer = FileProducer(tmp_path, partitions=1, fsync=False)
    producer.append(TOPIC, 0, numbered([1]))
    whole = os.write

    def interrupted(fd: int, lines: bytes) -> int:
        whole(fd, lines)
        raise KeyboardInterrupt

    with monkeypatch.context() as patch, suppress(KeyboardInterrupt):
        patch.setattr(os, "write", interrupted)
        producer.append(TOPIC, 0, numbered([2]))
    producer.append(TOPIC, 0, numbered([3]))
    producer.close()
    assert read_lines(file_settings(tmp_path), TOPIC, 2) == numbered([1, 3]).splitlines()
