"""Asked to end, a flow does so in order and in time; what it had read is not read again."""

import threading
import time

import pytest

from loadgen.processes import ENDS_WITHIN_S
from tests.parts.flows import Pipeline, until


@pytest.mark.parametrize("name", ["route", "status"])
def test_idle_flow_ends_with_code_0(pipeline: Pipeline, name: str) -> None:
    flow = pipeline.start(name)
    until(lambda: (pipeline.folder / "topics" / "status.read").is_dir(), "no topics", flow)
    time.sleep(1.0)
    flow.ask_to_end()
    assert flow.wait() == 0
    assert "Traceback" not in flow.said()


def test_under_load_both_end_in_time_and_read_on_where_they_were(pipeline: Pipeline) -> None:
    """Stopped and started again and again while rows pour in: every event is read once, and nothing is missing."""
    ended = threading.Event()
    stops: list[float] = []

    def stop_and_go() -> None:
        while not ended.wait(2.0):
            flows = [pipeline.start("route"), pipeline.start("status")]
            ended.wait(3.0)
            for flow in flows:
                asked = time.monotonic()
                flow.ask_to_end()
                assert flow.wait() == 0, flow.said()
                stops.append(time.monotonic() - asked)

    operator = threading.Thread(target=stop_and_go)
    operator.start()
    try:
        expected = pipeline.play(pace_s=8.0)
    finally:
        ended.set()
        operator.join()
    assert len(stops) >= 4
    assert max(stops) < ENDS_WITHIN_S
    pipeline.settle(pipeline.start("route"), pipeline.start("status"))
    assert pipeline.wrong(expected) == []
    assert pipeline.number("SELECT sum(events) FROM flow_stats WHERE flow = 'status'") == _read_by_status(expected)


def _read_by_status(expected) -> int:
    """All but what route refuses."""
    refused = {"line_torn", "line_bytes", "body_torn", "body_bytes", "body_type", "body_meta_type", "body_no_status", "body_stranger"}
    return expected.events_in - sum(count for kind, count in expected.dead_letters_by_kind.items() if kind in refused)
