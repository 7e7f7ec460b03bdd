"""`python -m loadgen.demo --once` is exact, embedded and on a real Kafka and ClickHouse over HTTP."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

from loadgen.processes import environment
from schemas.settings import PREFIX
from tests.parts.kafka import KafkaBroker

COUNTS = {"sent", "delivered", "delivered_inferred", "read", "clicked", "failed"}
KEYS = {
    "events_in", "events_unique", "duplicates_dropped", "duplicates_passed", "dead_letters", "counts", "expected",
    "exact", "seconds", "events_per_s",
}  # fmt: skip


def _demo(folder: Path, messages: int, **variables: str) -> dict[str, Any]:
    """The JSON object that ends its output; anything else it prints comes before."""
    done = subprocess.run(
        [sys.executable, "-m", "loadgen.demo", "--once", "--messages", str(messages), "--json"],
        cwd=folder,
        env=environment({PREFIX + name: text for name, text in variables.items()}),
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
    said: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return said


def _assert_exact(said: dict[str, Any]) -> None:
    assert said.keys() >= KEYS
    assert said["exact"] is True
    assert said["counts"] == said["expected"]
    assert said["counts"].keys() == COUNTS
    accounted = ("events_unique", "duplicates_dropped", "duplicates_passed", "dead_letters")
    assert said["events_in"] == sum(said[name] for name in accounted)
    assert all(said[name] > 0 for name in accounted)


def test_embedded_needs_no_setting_and_starts_anew_each_time(tmp_path: Path) -> None:
    first = _demo(tmp_path, 20_000)
    _assert_exact(first)
    second = _demo(tmp_path, 2_000)
    _assert_exact(second)
    assert second["events_in"] < first["events_in"]


def test_on_real_parts(tmp_path: Path, own_kafka: KafkaBroker, server_dsn: str) -> None:
    """Apache Kafka, and ClickHouse over HTTP."""
    variables = {"RECOVERY": str(tmp_path / "recovery"), "BROKER": own_kafka.dsn, "CLICKHOUSE": server_dsn}
    _assert_exact(_demo(tmp_path, 4_000, **variables))
