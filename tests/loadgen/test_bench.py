"""`python -m loadgen.bench`: what it prints, and that a system which is wrong or missing is told, not hidden."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from loadgen.bench import reports, scale
from loadgen.bench.contender import Contender
from loadgen.bench.contest import Task
from loadgen.bench.page import waits_ms
from loadgen.bench.pipeline import choose
from loadgen.bench.systems import SYSTEMS
from loadgen.kafka_broker import KafkaBroker
from loadgen.processes import environment
from schemas.errors import TidemarkError, UsageError
from schemas.settings import Settings
from tests.parts import lacking
from tests.parts.kafka import kafka_jars

TASK = Task(broker="", topics=[], events=0, clickhouse="", folder="", name="", clock=0)


def bench(*arguments: str, code: int = 0) -> dict[str, Any]:
    """The JSON object that ends its output."""
    done = subprocess.run(
        [sys.executable, "-m", "loadgen.bench", *arguments, "--json"],
        env=environment({}),
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )
    assert done.returncode == code, done.stdout[-2000:] + done.stderr[-2000:]
    said: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return said


def test_systems_beside_each_other_on_a_real_kafka() -> None:
    """Those that need no environment of their own: each exact, its rate a ratio, the floor below."""
    kafka_jars()
    names = ["tidemark", "stock_bytewax", "clickhouse_kafka", "clickhouse_kafka:1"]
    said = bench("pipeline", "--events", "30000", "--rounds", "1", "--only", ",".join(names))
    assert list(said["systems"]) == names, said["left_out"]
    for system in said["systems"].values():
        assert system["exact"]
        assert min(system["events_per_s"], system["cpu_us_per_event"], system["peak_rss_mb"]) > 0
    assert [system["events_per_record"] for system in said["systems"].values()] == [100, 100, 100, 1]
    assert set(said["ratios"]) == {*names[1:], "floor"}
    assert set(said["floor"]) == {"consume_us", "decode_us", "insert_us"}


def test_from_files_each_round_reads_everything_anew_and_a_profile_tells_where_the_time_goes(tmp_path) -> None:
    if not _may_trace():
        lacking("the right to trace a process", "run as root, or sysctl kernel.yama.ptrace_scope=0")
    arguments = ["--source", "file", "--events", "40000", "--rounds", "2", "--only", "tidemark,flink"]
    said = bench("pipeline", *arguments, "--profile", str(tmp_path))
    assert said["systems"]["tidemark"]["exact"]
    assert len(said["systems"]["tidemark"]["rates"]) == 2
    assert said["left_out"] == {"flink": "reads from Kafka only"}
    assert {"consume", "decode", "hash", "window", "convert", "insert"} < set(said["profile"]["stages"])
    assert min(said["profile"]["stages"]["insert"], said["profile"]["waiting_us"]) > 0
    assert b"<svg" in (tmp_path / "tidemark.svg").read_bytes()


def _may_trace() -> bool:
    scope = Path("/proc/sys/kernel/yama/ptrace_scope")
    return os.geteuid() == 0 or (scope.exists() and scope.read_text().strip() == "0")


def test_a_system_nobody_knows_is_a_wrong_argument() -> None:
    with pytest.raises(UsageError, match="--only: 'storm' is none of tidemark"):
        choose("tidemark,storm", "kafka")


@pytest.mark.parametrize("number", ["", "0", "-1", "x", "²", "9" * 5000])
def test_a_record_of_no_such_size_is_a_wrong_argument(number: str) -> None:
    with pytest.raises(UsageError, match=r"--only tidemark: '.*' events a record is not from 1 to "):
        choose(f"tidemark:{number}", "kafka")


def test_a_system_given_records_of_another_size_keeps_its_environment() -> None:
    (given,), _ = choose("stock_bytewax:1", "kafka")
    usual = SYSTEMS["stock_bytewax"]
    assert (given.events_per_record, given.module, given.folder) == (1, usual.module, usual.folder)


def test_a_peer_that_is_not_installed_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path) -> None:
    monkeypatch.setattr("loadgen.bench.systems.CACHE", tmp_path)
    chosen, left_out = choose("", "kafka")
    assert [system.name for system in chosen] == [system.name for system in SYSTEMS.values() if not system.requirements]
    assert set(left_out.values()) == {"not installed: make peers"}


@pytest.mark.parametrize(
    ("program", "why"),
    [
        ("import sys; sys.exit('no broker')", "did not come to its end: no broker"),
        ("print('ready', flush=True); input(); raise SystemExit('broke')", "within 20 s: broke"),
        ("import time; print('ready', flush=True); input(); time.sleep(60)", "within 1 s: it said nothing"),
    ],
)
def test_a_contender_that_fails_or_hangs_is_told_in_a_line(tmp_path, program: str, why: str) -> None:
    contender = Contender([sys.executable, "-c", program], TASK, {}, tmp_path / "peer.log")
    with pytest.raises(TidemarkError, match=why):
        contender.measure(1 if "sleep" in program else 20)


def test_route_by_itself_loses_no_event() -> None:
    said = bench("route", "--events", "5000", "--rounds", "1")
    assert said["exact"]
    assert min(said["events_per_s"], said["cpu_us_per_event"]) > 0
    assert set(said["by_statuses_per_body"]) == {"1", "5", "50"}


def test_the_window_at_size_drops_every_repeat_and_comes_back_after_a_kill() -> None:
    said = bench("window", "--ids", "200000", "--epoch-ms", "100")
    assert said["exact"]
    assert said["events"] == 200_000 + 5 * 4_000, "one in ten again, but for the first batch"
    assert len(said["stall_ms"]) <= 3
    assert said["expired_rss_mb"] <= said["restored_rss_mb"] + 10, "so few ids drown in its own ups and downs"


def test_from_webhook_to_row_each_message_is_timed_and_there_once() -> None:
    arguments = ["--source", "file", "--delivered", "400", "--read", "800", "--seconds", "2", "--warm-up", "1"]
    said = bench("latency", *arguments)
    assert said["exact"], "one in ten is told again"
    assert said["measured"] == pytest.approx(800, abs=20)
    assert 0 < said["p50_ms"] <= said["p99_ms"] <= said["max_ms"]
    assert said["to_row"]["p50_ms"] > 0
    assert min(said["inserts"][lane]["rows"] for lane in ("delivered", "read")) > 0


def test_while_clickhouse_is_away_nothing_is_lost() -> None:
    said = bench("backpressure", "--source", "file", "--rate", "2000", "--outage", "2", "--after", "3")
    assert said["exact"]
    assert said["backlog"] > 0
    assert said["rss_after_mb"] < 2 * said["rss_before_mb"] + 100


def test_what_a_second_process_runs_into_is_named_with_its_figure() -> None:
    one = scale.Shared(
        events_per_s=100_000, flow_us_per_event=2.0, clickhouse_us_per_event=3.0, cores_busy=0.5, exact=True
    )
    assert scale.limit(one, 2) == (
        "one process and ClickHouse keep 0.5 of 2 cores busy; at 5.0 µs an event, ClickHouse's share the larger,"
        " 2 cores do no more than 400,000 events/s"
    )


def test_a_status_waits_for_the_first_snapshot_that_counts_it() -> None:
    """The n-th answer for the first figure of n or more; a figure that falls back takes nothing back."""
    shown = [(1_000.0, 1), (2_000.0, 3), (3_000.0, 2), (4_000.0, 5)]
    assert waits_ms(shown, [900.0, 1_100.0, 1_900.0, 2_100.0, 3_900.0, 4_500.0]) == [900, 100, 1_900, 100]
    assert waits_ms([], [900.0]) == []


def test_reports_have_each_figure_that_is_promised() -> None:
    said = bench("reports", "--messages", "5000", "--viewers", "2", "--rounds", "1")
    assert list(said) == list(reports.Report.__struct_fields__)
    assert (said["messages"], said["viewers"]) == (5_000, 2)
    assert min(said["campaign_page_p50_ms"], said["export_rows"], said["watching_rss_mb"]) > 0


def test_what_does_not_start_is_told_in_one_line(tmp_path: Path) -> None:
    settings = Settings(
        broker="nowhere://", clickhouse=f"chdb://{tmp_path}/clickhouse", recovery=f"{tmp_path}/recovery"
    )
    with (
        pytest.raises(TidemarkError, match=r"^the API did not start: .*nowhere.*$"),
        reports._api(settings, tmp_path),
    ):
        pass
    broker = KafkaBroker.__new__(KafkaBroker)
    broker._port, broker._folder, broker._process = 1, tmp_path, None
    (tmp_path / "broker.log").write_text("started\njava.net.BindException: Address already in use\n")
    with pytest.raises(TidemarkError, match=r"^no broker: java\.net\.BindException: Address already in use$"):
        broker._wait_for_answer()
