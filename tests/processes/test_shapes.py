"""However the work is split over processes, workers and clusters, the figures are the same."""

import pytest

from loadgen.processes import progress
from schemas.settings import Slice
from schemas.statuses import Lane
from tests.parts.flows import Pipeline, until
from tests.parts.kafka import free_port


def test_two_hops_in_two_processes(pipeline: Pipeline) -> None:
    expected = pipeline.play()
    pipeline.settle(pipeline.start("route"), pipeline.start("status"))
    assert pipeline.wrong(expected) == []


def test_each_lane_in_a_process_of_its_own_shares_the_embedded_engine(pipeline: Pipeline) -> None:
    expected = pipeline.play()
    lanes = [pipeline.start("status", lanes=(lane,)) for lane in Lane]
    pipeline.settle(pipeline.start("route"), *lanes)
    assert pipeline.wrong(expected) == []


def test_processes_with_a_slice_each_read_everything_once(pipeline: Pipeline) -> None:
    expected = pipeline.play("lanes")
    pipeline.settle(*(pipeline.start("status", slice=Slice(index, 2)) for index in range(2)))
    assert pipeline.wrong(expected) == []
    assert pipeline.number("SELECT sum(events) FROM flow_stats") == expected.events_in


@pytest.mark.parametrize("flow", ["route", "status"])
def test_two_workers_in_a_process(pipeline: Pipeline, flow: str) -> None:
    expected = pipeline.play("webhook" if flow == "route" else "lanes")
    two = pipeline.start(flow, "-w", "2")
    others = [pipeline.start("status")] if flow == "route" else []
    pipeline.settle(two, *others)
    assert pipeline.wrong(expected) == []


def test_two_processes_of_one_cluster(pipeline: Pipeline) -> None:
    expected = pipeline.play("lanes")
    addresses = f"127.0.0.1:{free_port()};127.0.0.1:{free_port()}"
    pipeline.settle(*(pipeline.start("status", "-i", str(process), "-a", addresses) for process in range(2)))
    assert pipeline.wrong(expected) == []
    assert pipeline.number("SELECT sum(events) FROM flow_stats") == expected.events_in


@pytest.mark.parametrize("way", ["asked", "killed"])
def test_one_worker_ended_midway_goes_on_as_two(pipeline: Pipeline, way: str) -> None:
    one = pipeline.start("status")

    def end_it() -> None:
        until(lambda: any(progress(pipeline.settings, "status")), "nothing read", one)
        if way == "asked":
            one.ask_to_end()
            assert one.wait() == 0
        else:
            one.kill()

    expected = pipeline.play("lanes", midway=end_it)
    pipeline.settle(pipeline.start("status", "-w", "2"))
    assert pipeline.wrong(expected) == []


def test_started_by_bytewax(pipeline: Pipeline) -> None:
    """`python -m bytewax.run`, with a recovery store that it was given."""
    expected = pipeline.play()
    flows = []
    for name in ("route", "status"):
        store = pipeline.folder / "store" / name
        store.mkdir(parents=True)
        assert pipeline.run("-m", "bytewax.recovery", str(store), "1").wait() == 0
        flows.append(pipeline.run("-m", "bytewax.run", f"flows.{name}", "-r", str(store), "-s", "1", "-b", "0"))
    pipeline.settle(*flows)
    assert pipeline.wrong(expected) == []
