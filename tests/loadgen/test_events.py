"""The command writes a run to real topics and says what it wrote."""

import json

import pytest

from flows.topics import list_partitions, open_reader
from loadgen.events import main
from schemas.settings import Settings
from schemas.statuses import Lane
from tests.loadgen.recount import Recount

START = ["--start", "2026-10-31T20:00:00"]


@pytest.fixture
def settings(tmp_path, monkeypatch):
    monkeypatch.setenv("TIDEMARK_BROKER", f"file://{tmp_path}/topics")
    monkeypatch.setenv("TIDEMARK_PARTITIONS", "2")
    return Settings.from_env()


def _lines(settings, topic):
    reader = open_reader(settings, topic, list_partitions(settings, topic), None, "test")
    lines = []
    while records := reader.poll(64_000_000, 0.0):
        for record in records:
            lines += record.value.removesuffix(b"\n").split(b"\n")
    reader.close()
    return lines


def test_lanes_written_to_files_add_up_to_what_the_command_says(settings, tmp_path, capsys):
    arguments = ["--messages", "800", "--into", "lanes", "--json", "--oracle", str(tmp_path / "oracle"), *START]
    assert main(arguments) == 0
    said = json.loads(capsys.readouterr().out.splitlines()[-1])
    oracle = json.loads((tmp_path / "oracle").read_text())
    lines = {topic: _lines(settings, topic) for topic in ("outbound", *(lane.topic for lane in Lane))}
    recount = Recount(lines, said["clock"])
    assert said["events_in"] == oracle["events_in"] == len(recount.known) + recount.dead
    assert said["dead_letters"] == recount.dead > 0
    assert oracle["campaigns"]["autumn-sale"]["counts"] == recount.figures("autumn-sale")["counts"]


def test_bodies_go_to_the_partitions_in_turn(settings):
    assert main(["--messages", "500", *START]) == 0
    sizes = []
    for partition in list_partitions(settings, "webhook"):
        reader = open_reader(settings, "webhook", [partition], None, "test")
        sizes.append(sum(record.value.count(b"\n") for record in reader.poll(64_000_000, 0.0)))
        reader.close()
    assert len(sizes) == 2
    assert abs(sizes[0] - sizes[1]) < 0.1 * sum(sizes)


def test_paced_it_writes_the_same(settings, tmp_path, monkeypatch):
    """In many small portions, one line a record."""
    arguments = ["--messages", "300", "--into", "lanes", *START]
    assert main(arguments) == 0
    flat_out = {lane: sorted(_lines(settings, lane.topic)) for lane in Lane}
    monkeypatch.setenv("TIDEMARK_BROKER", f"file://{tmp_path}/paced")
    assert main([*arguments, "--rate", "20000", "--events-per-record", "1"]) == 0
    assert flat_out == {lane: sorted(_lines(Settings.from_env(), lane.topic)) for lane in Lane}


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--messages", "none"], "--messages"),
        (["--messages", "0"], "messages"),
        (["--start", "yesterday"], "--start yesterday"),
        (["--start", "1970-01-01"], "start"),
        (["--into", "nowhere"], "--into"),
        (["--rate", "-1"], "--rate"),
        (["--rate", "nan"], "--rate"),
        (["--events-per-record", "5000"], "--events-per-record"),
        (["--oracle", "/nowhere/at/all"], "--oracle /nowhere/at/all"),
        (["--statuses-per-body", "0"], "statuses per body"),
        (["--bogus"], "--bogus"),
    ],
)
@pytest.mark.usefixtures("settings")
def test_wrong_input_gets_one_line_and_exit_code_2(tmp_path, capsys, arguments, says):
    assert main(arguments) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert len(err.splitlines()) == 1
    assert says in err
    assert not (tmp_path / "topics").exists()
