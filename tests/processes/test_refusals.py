"""What an operator got wrong, or has to decide, ends a flow with one line that says so."""

import pytest

from loadgen.processes import Flow
from schemas.errors import RecoveryError, UsageError
from tests.parts.flows import PATIENCE_S, Pipeline, until


def _only_line(flow: Flow, code: int) -> str:
    assert flow.wait(PATIENCE_S) == code, flow.said()
    (line,) = flow.said().splitlines()
    return line


@pytest.mark.parametrize("name", ["route", "status"])
@pytest.mark.parametrize(
    ("variable", "text", "told"),
    [
        ("TIDEMARK_LANE", "read", "TIDEMARK_LANE: no such setting"),
        ("TIDEMARK_LANES", "read,fast", "TIDEMARK_LANES=read,fast: 'fast' is not a valid Lane"),
        ("TIDEMARK_SLICE", "2/2", "TIDEMARK_SLICE=2/2: a slice is I/N"),
        ("TIDEMARK_BROKER", "amqp://here", "TIDEMARK_BROKER=amqp://here: expected file://FOLDER or kafka://"),
        ("TIDEMARK_CLICKHOUSE", "postgres://u:secret@here", "TIDEMARK_CLICKHOUSE: a DSN is"),
        ("TIDEMARK_PARTITIONS", "0", "TIDEMARK_PARTITIONS=0: expected 1 to 1024"),
    ],
)
def test_wrong_setting(pipeline: Pipeline, name: str, variable: str, text: str, told: str) -> None:
    flow = pipeline.run("-m", f"flows.{name}", **{variable: text})
    line = _only_line(flow, UsageError.exit_code)
    assert line.startswith(f"flows.{name}: {told}")
    assert "secret" not in line


def test_wrong_argument(pipeline: Pipeline) -> None:
    line = _only_line(pipeline.start("status", "--worker", "many"), UsageError.exit_code)
    assert line.startswith("flows.status: ")


def test_recovery_folder_in_use(pipeline: Pipeline) -> None:
    first = pipeline.start("status")
    until(lambda: (pipeline.folder / "topics" / "status.read").is_dir(), "not started", first)
    line = _only_line(pipeline.start("status"), RecoveryError.exit_code)
    assert line.endswith(
        "status/delivered-other-read/0-of-1 is in use by another process; give each a TIDEMARK_SLICE or TIDEMARK_LANES"
    )
    assert first.running()


def test_lost_range_is_named_and_only_passed_when_that_is_accepted(pipeline: Pipeline) -> None:
    first = pipeline.start("status")
    expected = pipeline.play("lanes", midway=lambda: pipeline.settle(first))
    (pipeline.folder / "topics" / "status.read" / "00001" / "0000001.ndjson").unlink()
    line = _only_line(pipeline.start("status"), 1)
    assert line.startswith("flows.status: topic status.read, partition 1: segment 1 from byte ")
    assert line.endswith(" on is no longer there; TIDEMARK_ACCEPT_GAP=1 goes on behind")
    going_on = pipeline.start("status", accept_gap=True)
    pipeline.settle(going_on)
    assert "going on behind, as TIDEMARK_ACCEPT_GAP says" in going_on.said()
    wrong = pipeline.wrong(expected)
    assert wrong
    assert not [line for line in wrong if "delivered:" in line]
    assert pipeline.number("SELECT sum(events) FROM flow_stats") < expected.events_in
