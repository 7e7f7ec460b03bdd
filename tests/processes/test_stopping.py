"""Asked to end, a flow does so in order and in time; what it had read is not read again."""

import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from loadgen.processes import end, progress
from tests.parts.flows import Pipeline, until

_READ = """
SELECT sumIf(events, flow = 'status') + sumIf(arraySum(mapValues(dead_letters)), flow = 'route') FROM flow_stats
"""


@pytest.mark.parametrize("name", ["route", "status"])
def test_idle_flow_ends_with_code_0(pipeline: Pipeline, name: str) -> None:
    flow = pipeline.start(name)
    until(lambda: (pipeline.folder / "topics" / "status.read").is_dir(), "no topics", flow)
    time.sleep(1.0)
    flow.ask_to_end()
    assert flow.wait() == 0
    assert "Traceback" not in flow.said()


def test_under_load_both_end_in_time_and_read_on_where_they_were(pipeline: Pipeline) -> None:
    """Stopped and started again while rows pour in: every event is read once, and nothing is missing."""
    with ThreadPoolExecutor() as pool:
        playing = pool.submit(pipeline.play, pace_s=10.0)
        for _ in range(2):
            stood = progress(pipeline.settings, "status")
            flows = [pipeline.start("status"), pipeline.start("route")]
            until(lambda stood=stood: progress(pipeline.settings, "status") != stood, "nothing read", *flows)
            assert end(flows) == [0, 0]
        expected = playing.result()
    pipeline.settle(pipeline.start("route"), pipeline.start("status"))
    assert pipeline.wrong(expected) == []
    assert pipeline.number(_READ) == expected.events_in
