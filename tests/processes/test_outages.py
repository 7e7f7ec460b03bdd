"""What the flows stand on fails and comes back: they wait, say so, lose nothing."""

import json
import re
import resource
from collections.abc import Iterator
from pathlib import Path

import pytest

from loadgen.processes import Flow, progress
from tests.parts.clickhouse import serving
from tests.parts.flows import PATIENCE_S, Pipeline, until, wait_for
from tests.parts.kafka import KafkaBroker, free_port

SMALL_DISK_BYTES = 1_000_000
NO_SNAPSHOT_BYTES = 16_384


def _lines(flow: Flow, text: str) -> list[str]:
    return [line for line in flow.said().splitlines() if text in line]


def test_clickhouse_down_in_the_middle_is_waited_for(tmp_path: Path) -> None:
    """Killed with rows in flight, and back when all has been written: each lane says so in a line, nothing is lost."""
    port = free_port()
    dsn = f"http://127.0.0.1:{port}/tidemark"
    with serving(tmp_path / "clickhouse", "--open", port=port) as (_, server):
        pipeline = Pipeline(tmp_path, clickhouse=dsn)
        status, route = pipeline.start("status"), pipeline.start("route")

        def kill_server() -> None:
            until(lambda: pipeline.number("SELECT count() FROM status_events") > 0, "no rows", status)
            server.kill()
            server.wait()

        expected = pipeline.play(midway=kill_server)
    try:
        wait_for(status, "waiting for ClickHouse")
        assert pipeline.lag() > 0
        assert status.running()
        assert route.running()
        with serving(tmp_path / "clickhouse", "--open", port=port):
            pipeline.settle(route, status)
            assert pipeline.wrong(expected) == []
        for line in _lines(status, "waiting for ClickHouse"):
            assert re.search(rf"{dsn}: (connection (refused|reset|lost|aborted)|remote end closed)", line), line
        assert _lines(status, "ClickHouse answers again")
        assert "Traceback" not in status.said() + route.said()
    finally:
        pipeline.close()


def test_broker_down_at_the_start_and_in_the_middle(tmp_path: Path, own_kafka: KafkaBroker) -> None:
    own_kafka.stop()
    pipeline = Pipeline(tmp_path, broker=own_kafka.dsn)
    try:
        flows = [pipeline.start("status"), pipeline.start("route")]
        for flow in flows:
            wait_for(flow, "waiting for the broker")
        own_kafka.start()

        def restart_broker() -> None:
            until(lambda: pipeline.lag() == 0, "not read", *flows)
            own_kafka.stop()
            for flow in flows:
                wait_for(flow, "waiting for it")
            own_kafka.start()

        expected = pipeline.play(midway=restart_broker)
        pipeline.settle(*flows)
        assert pipeline.wrong(expected) == []
        assert not any("Traceback" in flow.said() for flow in flows)
    finally:
        pipeline.close()


ON_SMALL_DISK = f"""
import resource, runpy
resource.setrlimit(resource.RLIMIT_FSIZE, ({SMALL_DISK_BYTES}, {SMALL_DISK_BYTES}))
runpy.run_module("flows.route", run_name="__main__")
"""
"""Route with no file allowed to grow further: to a writer, that is a full disk."""


@pytest.fixture
def one_partition(tmp_path: Path) -> Iterator[Pipeline]:
    """Whose lane topics outgrow the small disk."""
    pipeline = Pipeline(tmp_path, partitions=1)
    yield pipeline
    pipeline.close()


def test_no_room_for_lane_topics_ends_route_and_with_room_again_nothing_is_missing(one_partition: Pipeline) -> None:
    pipeline = one_partition
    expected = pipeline.play()
    full = pipeline.run("-c", ON_SMALL_DISK)
    assert full.wait(PATIENCE_S) == 1
    assert full.said().splitlines()[-1] == f"flows.route: {pipeline.folder}/topics/status.delivered: File too large"
    assert "Traceback" not in full.said()
    assert pipeline.lag() > 0
    pipeline.settle(pipeline.start("route"), pipeline.start("status"))
    assert pipeline.wrong(expected) == []


def test_no_room_for_dead_letters_ends_route_and_with_room_again_all_are_there(one_partition: Pipeline) -> None:
    pipeline = one_partition
    bad = [b'{"receipt_id":"%d","body":"%s' % (number, b"x" * 200_000) for number in range(10)]
    pipeline.append("webhook", *bad)
    full = pipeline.run("-c", ON_SMALL_DISK)
    assert full.wait(PATIENCE_S) == 1
    assert full.said().splitlines()[-1] == f"flows.route: {pipeline.folder}/topics/dlq.webhook: File too large"
    assert "Traceback" not in full.said()
    route = pipeline.start("route")
    until(lambda: pipeline.lag() == 0, "not read", route)
    pipeline.settle(route)
    letters = [json.loads(letter) for letter in pipeline.lines("dlq.webhook")]
    assert {letter["payload"].encode() for letter in letters} == set(bad)


def test_no_room_for_snapshots_ends_a_flow_in_a_line_and_loses_nothing(pipeline: Pipeline) -> None:
    """A flow that has read all there is writes nothing else."""
    expected = pipeline.play()
    status, full = pipeline.start("status"), pipeline.start("route")
    until(lambda: any(progress(pipeline.settings, "route")) and not pipeline.lag(), "not read", full)
    resource.prlimit(full.pid, resource.RLIMIT_FSIZE, (NO_SNAPSHOT_BYTES, NO_SNAPSHOT_BYTES))
    assert full.wait(PATIENCE_S) == 1
    snapshots = f"{pipeline.folder}/recovery/route/all/0-of-1/snapshots"
    assert full.said().splitlines()[-1] == f"flows.route: {snapshots}: disk I/O error"
    assert "Traceback" not in full.said()
    pipeline.settle(status)
    assert pipeline.wrong(expected) == []
