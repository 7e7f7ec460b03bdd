"""Receiver processes: what they answered 2xx is in the topic, whatever kills them or takes the broker away."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from schemas.settings import Settings
from tests.parts.kafka import KafkaBroker, free_port, kafka_jars
from tests.telemetry.asking import health, value
from tests.webhooks.calling import taken
from tests.webhooks.serving import Clients, Served, post, serving

PATIENCE_S = 60.0


@pytest.fixture(params=["file", "kafka"])
def own(request: pytest.FixtureRequest, tmp_path: Path) -> Settings:
    if request.param == "file":
        return Settings(broker=f"file://{tmp_path / 'topics'}")
    broker: KafkaBroker = request.getfixturevalue("own_kafka")
    return Settings(broker=broker.dsn)


def wait_for(condition: Callable[[], bool]) -> None:
    ends_s = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < ends_s
        time.sleep(0.02)


def names(settings: Settings) -> list[str]:
    """The messages in the topic, as often as they are there."""
    return [(envelope.body or "").partition('"id":"')[2].partition('"')[0] for envelope in taken(settings)]


def test_killed_under_load_it_has_lost_nothing_that_it_answered(own: Settings) -> None:
    """kill -9 in the middle; the clients' ledger against the topic, over two lives."""
    durable: set[str] = set()
    for life in range(2):
        with serving(own) as served:
            clients = Clients(served, 8)
            wait_for(lambda: len(clients.answered) > 100)  # noqa: B023 - called at once
            served.kill()
            clients.end()
            assert {status for _, status in clients.answered} == {200}, life
            durable |= clients.durable()
    assert durable <= set(names(own))


def test_broker_down_means_503_at_once_and_it_heals(own_kafka: KafkaBroker) -> None:
    """Memory stays flat, what was answered 2xx before and after is there, and nobody is asked to do anything."""
    own = Settings(broker=own_kafka.dsn)
    with serving(own) as served:
        before = Clients(served, 4)
        wait_for(lambda: len(before.answered) > 50)
        own_kafka.stop()
        wait_for(lambda: before.answered[-1][1] == 503)
        before.end()
        started_mb = served.memory_mb()
        for number in range(400):
            # The broker is waited for 5 s: nobody who asks now waits for it.
            status, headers = post(served, f"down-{number}", within_s=4)
            assert (status, headers["retry-after"]) == (503, "5")
        assert served.memory_mb() - started_mb < 30
        own_kafka.start()
        wait_for(lambda: post(served, "healed")[0] == 200)
        after = Clients(served, 4)
        wait_for(lambda: len(after.answered) > 50)
        after.end()
        assert served.end() == 0
    assert before.durable() | after.durable() | {"healed"} <= set(names(own))


def test_started_before_its_broker_it_waits_for_it(tmp_path: Path) -> None:
    broker = KafkaBroker(kafka_jars(), tmp_path)
    own = Settings(broker=broker.dsn)
    try:
        with serving(own) as served:
            wait_for(lambda: post(served, "early")[0] == 503)
            broker.start()
            wait_for(lambda: post(served, "late")[0] == 200)
        assert "late" in names(own)
    finally:
        broker.kill()


def children(served: Served) -> list[int]:
    """Its workers; beside them runs what multiprocessing needs."""
    pid = served.process.pid
    found = [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    return [child for child in found if b"spawn_main" in command_of(child)]


def command_of(pid: int) -> bytes:
    """Empty for a process that is gone, or ends just now."""
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return b""


def test_several_processes_share_a_port_and_a_dead_one_is_replaced(tmp_path: Path) -> None:
    """Requests go on being answered, and all that were answered are there after the end."""
    own = Settings(broker=f"file://{tmp_path / 'topics'}")
    with serving(own, "--workers", "2") as served:
        wait_for(lambda: len(children(served)) == 2)
        wait_for(lambda: post(served, "first")[0] == 200)
        [victim, other] = children(served)
        os.kill(victim, signal.SIGKILL)
        wait_for(lambda: len(children(served)) == 2 and victim not in children(served))
        assert other in children(served)
        clients = Clients(served, 8)
        wait_for(lambda: len(clients.answered) > 60)
        clients.end()
        assert served.end() == 0
    assert clients.durable() | {"first"} <= set(names(own))
    assert {status for _, status in clients.answered} == {200}


def test_figures_of_all_processes_are_one_and_those_of_a_dead_one_stay(tmp_path: Path) -> None:
    """Each is asked, as the system deals connections out; what one of them counted outlives it."""
    port = free_port()
    own = Settings(broker=f"file://{tmp_path / 'topics'}", metrics_port=port)
    with serving(own, "--workers", "2") as served:
        wait_for(lambda: health(port, "/readyz")[0] == 200)
        assert [post(served, str(number))[0] for number in range(40)] == [200] * 40
        counted = {"kind": "webhooks", "provider": "meta_whatsapp", "code": "200"}
        assert value(port, "tidemark_http_requests_total", **counted) == 40
        [victim, _] = children(served)
        os.kill(victim, signal.SIGKILL)
        wait_for(lambda: len(children(served)) == 2 and victim not in children(served))
        assert post(served, "after")[0] == 200
        assert value(port, "tidemark_http_requests_total", **counted) == 41
        assert value(port, "tidemark_http_seconds_count", kind="webhooks") == 41
        assert value(port, "tidemark_http_open", kind="webhooks") == 0
        assert served.end() == 0


def test_one_process_tells_its_figures_too(tmp_path: Path) -> None:
    port = free_port()
    with serving(Settings(broker=f"file://{tmp_path / 'topics'}", metrics_port=port)) as served:
        wait_for(lambda: post(served, "first")[0] == 200)
        assert value(port, "tidemark_http_requests_total", provider="meta_whatsapp", code="200") == 1
        assert value(port, "process_resident_memory_bytes") > 0
        assert served.end() == 0


def test_processes_end_with_the_one_that_started_them(tmp_path: Path) -> None:
    with serving(Settings(broker=f"file://{tmp_path / 'topics'}"), "--workers", "2") as served:
        wait_for(lambda: len(children(served)) == 2)
        orphans = children(served)
        served.kill()
        wait_for(lambda: not any(Path(f"/proc/{pid}").exists() for pid in orphans))


def test_ended_under_load_it_answers_what_it_took(tmp_path: Path) -> None:
    own = Settings(broker=f"file://{tmp_path / 'topics'}")
    with serving(own) as served:
        clients = Clients(served, 8)
        wait_for(lambda: len(clients.answered) > 60)
        assert served.end() == 0
        clients.end()
    assert clients.durable() <= set(names(own))


@pytest.mark.parametrize(
    ("arguments", "variables", "said"),
    [
        (["--workers", "0"], {}, "--workers 0"),
        (["--workers", "x"], {}, "--workers"),
        (["--port", "70000"], {}, "port 70000"),
        (["--host", "nowhere.invalid"], {}, "nowhere.invalid"),
        ([], {"TIDEMARK_WEBHOOK_PIGEON_SECRET": "x"}, "TIDEMARK_WEBHOOK_PIGEON_SECRET"),
        ([], {"TIDEMARK_BROKER": "carrier://pigeon"}, "carrier://pigeon"),
    ],
)
def test_wrong_input_is_one_line(arguments: list[str], variables: dict[str, str], said: str, tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "api.webhooks", *arguments],
        env=os.environ | {"TIDEMARK_BROKER": f"file://{tmp_path}"} | variables,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.count("\n") == 1
    assert said in done.stderr


def test_port_that_is_taken_is_one_line(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken_port:
        test_wrong_input_is_one_line(["--port", str(taken_port.getsockname()[1])], {}, "in use", tmp_path)
