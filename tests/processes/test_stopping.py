"""Asked to end, a flow does so in order and in time; what it had read is not read again."""

import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from flows.running import has_run
from flows.topics import list_partitions, open_reader
from loadgen.processes import end, progress, wait_until_served
from schemas.settings import Settings
from schemas.statuses import Lane
from schemas.topics import WEBHOOK
from tests.parts.flows import PATIENCE_S, Pipeline, until

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
    stopped = threading.Event()
    with ThreadPoolExecutor() as pool:
        # The second half waits for the first stop, so that the second start finds something to read.
        playing = pool.submit(pipeline.play, midway=lambda: stopped.wait(PATIENCE_S), pace_s=10.0)
        for _ in range(2):
            stood = progress(pipeline.settings, "status")
            flows = [pipeline.start("status"), pipeline.start("route")]
            until(lambda stood=stood: progress(pipeline.settings, "status") != stood, "nothing read", *flows)
            assert end(flows) == [0, 0]
            stopped.set()
        expected = playing.result()
    pipeline.settle(pipeline.start("route"), pipeline.start("status"))
    assert pipeline.wrong(expected) == []
    assert pipeline.number(_READ) == expected.events_in


def test_what_a_group_committed_holds_for_the_first_start_only(pipeline: Pipeline) -> None:
    """A commit can be ahead of what landed when a flow is killed: partitions without a snapshot are read whole."""
    flow = pipeline.start("status")
    until(lambda: has_run(pipeline.settings, "status"), "never began", flow)
    time.sleep(1.0)
    assert end([flow]) == [0]
    expected = pipeline.play(pace_s=0)
    wait_until_routed(pipeline)
    for lane in Lane:
        _commit_all(pipeline.settings, lane)
    flow = pipeline.start("status")
    wait_until_served(pipeline.settings, [flow], PATIENCE_S)
    # Not by what is committed: that says all has been read.
    until(lambda: pipeline.number(_READ) >= expected.events_in, "not read whole", flow)
    pipeline.settle(flow)
    assert pipeline.wrong(expected) == []


def wait_until_routed(pipeline: Pipeline) -> None:
    route = pipeline.start("route")
    until(lambda: _read_by_route(pipeline.settings), "not routed", route)
    assert end([route]) == [0]


def _read_by_route(settings: Settings) -> bool:
    reader = open_reader(settings, WEBHOOK, list_partitions(settings, WEBHOOK), None, "tidemark.route.all")
    try:
        return not any(reader.lag().values())
    finally:
        reader.close()


def _commit_all(settings: Settings, lane: Lane) -> None:
    reader = open_reader(settings, lane.topic, list_partitions(settings, lane.topic), None, f"tidemark.status.{lane}")
    try:
        while reader.poll(1 << 20, 0.2):
            pass
        reader.commit(reader.positions())
    finally:
        reader.close()
