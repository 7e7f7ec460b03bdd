"""A campaign derived anew: what a parser got wrong is right afterwards, and nothing else has changed."""

import json
from pathlib import Path
from typing import Any

import pytest

from flows.erasing import erase
from flows.identity import hash_keys
from loadgen.expected import Expected
from loadgen.processes import wait_until_read
from tests.parts.flows import PATIENCE_S, Pipeline

WRONG_ROUTE = str(Path(__file__).with_name("wrong_route.py"))


@pytest.fixture
def mistaken(pipeline: Pipeline) -> Expected:
    """A campaign that landed with every failed WhatsApp message as a delivered one; what it should have come to."""
    expected = pipeline.play()
    pipeline.settle(pipeline.run(WRONG_ROUTE, PYTHONPATH=str(Path(__file__).parents[2])), pipeline.start("status"))
    return expected


def replay(pipeline: Pipeline, *arguments: str, code: int = 0) -> dict[str, Any]:
    done = pipeline.run("-m", "flows.replay", "--json", *arguments)
    assert done.wait(4 * PATIENCE_S) == code, done.said()
    return json.loads(done.said().splitlines()[-1]) if code == 0 else {"said": done.said()}


def test_what_a_parser_got_wrong_is_taken_back(pipeline: Pipeline, mistaken: Expected) -> None:
    """A replay alone can't; rebuilt, every figure of every campaign is what the generator knows."""
    assert any("failed" in line for line in pipeline.wrong(mistaken))
    replay(pipeline, "--per-s", "0")
    pipeline.settle(pipeline.start("status"))
    assert any(" delivered: " in line for line in pipeline.wrong(mistaken)), "sets keep what they were given"
    rebuilt = {name: replay(pipeline, "--rebuild", name) for name in mistaken.campaigns}
    assert rebuilt["autumn-sale"]["before"]["failed"] < rebuilt["autumn-sale"]["after"]["failed"]
    assert pipeline.wrong(mistaken) == []
    with pipeline.warehouse() as warehouse:
        assert len(warehouse.query("SHOW TABLES LIKE 'rebuild%'")) == 0


def test_beside_live_traffic_nothing_is_lost(pipeline: Pipeline) -> None:
    """The flows run on, and more of the campaign arrives, while it is rebuilt over and over; and a person is erased,
    whose messages can't be told again, and keep what they had."""
    flows = []
    rebuilt: list[dict[str, Any]] = []

    def midway() -> None:
        flows.extend([pipeline.start("route"), pipeline.start("status")])
        rebuilt.append(replay(pipeline, "--rebuild", pipeline.plan.campaign_id, "--patience", "150"))

    expected = pipeline.play(midway=midway)
    wait_until_read(pipeline.settings, flows, PATIENCE_S)
    with pipeline.warehouse() as warehouse:
        assert erase(warehouse, a_recipient(pipeline), hash_keys(pipeline.settings), settle=lambda: None).messages > 0
    rebuilt += [replay(pipeline, "--rebuild", name) for name in expected.campaigns]
    pipeline.settle(*flows)
    assert rebuilt[-1]["events"] > 0
    assert pipeline.wrong(expected) == []


def a_recipient(pipeline: Pipeline) -> str:
    """Of a sender that numbers nothing."""
    records = map(json.loads, (one for one in pipeline.lines("outbound") if one.startswith(b'{"type":"acc')))
    return str(next(one["recipient"] for one in records if "message_key" not in one and "recipient" in one))


def test_a_log_without_the_beginning_is_refused_and_the_archive_has_it(pipeline: Pipeline, mistaken: Expected) -> None:
    archive = str(pipeline.folder / "archive")
    written = pipeline.run("-m", "flows.archive", "write", archive)
    assert written.wait(60) == 0, written.said()
    for folder in (pipeline.folder / "topics" / "webhook").glob("0*"):
        first = min(folder.glob("*.ndjson"))
        first.write_bytes(b"")
    name = next(iter(mistaken.campaigns))
    before = figures(pipeline)
    assert "give the --archive" in replay(pipeline, "--rebuild", name, code=1)["said"]
    assert figures(pipeline) == before, "refused, nothing has changed"
    for name in mistaken.campaigns:
        replay(pipeline, "--rebuild", name, "--archive", archive)
    assert pipeline.wrong(mistaken) == []


def figures(pipeline: Pipeline) -> list[tuple[Any, ...]]:
    with pipeline.warehouse() as warehouse:
        return warehouse.query(
            "SELECT status, count(), sum(message_key) FROM v_events GROUP BY ALL ORDER BY ALL"
        ).rows()


def test_lanes_that_have_not_landed_are_waited_for(pipeline: Pipeline) -> None:
    """What an old parser left in a lane would land behind the swap."""
    pipeline.play()
    replay(pipeline, "--per-s", "0")
    said = replay(pipeline, "--rebuild", "any", "--patience", "0.5", code=1)["said"]
    assert "flows.status is behind, by" in said


@pytest.mark.parametrize("name", ["a/b", "x'; DROP TABLE messages; --", "a" * 65])
def test_a_name_that_is_none_is_one_line(pipeline: Pipeline, name: str) -> None:
    assert "no campaign can be called that" in replay(pipeline, "--rebuild", name, code=2)["said"]
