"""`python -m loadgen.chaos`: a short run is exact; its oracle and its clock are no ornaments."""

import json
import subprocess
import sys
import time
from pathlib import Path

from loadgen.chaos.faults import Kind
from loadgen.chaos.memory import Memory
from loadgen.processes import environment
from tests.parts.kafka import kafka_jars


def test_every_kind_of_fault_in_half_a_minute_and_nothing_lost_nothing_invented() -> None:
    """Ten faults, one of each kind, on real processes: the long run of the README, cut short."""
    kafka_jars()
    arguments = ["--minutes", "0.3", "--gap", "1.8", "--rate", "300", "--seed", "1", "--json"]
    done = subprocess.run(
        [sys.executable, "-m", "loadgen.chaos", *arguments],
        env=environment({}),
        capture_output=True,
        text=True,
        timeout=280,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
    said = json.loads(done.stdout.splitlines()[-1])
    assert (said["exact"], said["differences"], said["lag"], said["poison_lost"]) == (True, [], 0, 0)
    assert said["tracebacks"] == []
    assert set(said["by_kind"]) == set(Kind)
    assert said["lines_poisoned"] > 0
    assert said["events"] > 4_000


def test_a_skewed_clock_jumps_while_the_program_runs(tmp_path: Path) -> None:
    clock = tmp_path / "clock"
    clock.write_text(str(3_600_000))
    program = tmp_path / "told.py"
    program.write_text(
        "import pathlib, sys, time\n"
        "print(round(time.time_ns() / 1e9)); pathlib.Path(sys.argv[1]).write_text('0')\n"
        "time.sleep(0.6); print(round(time.time())); print(__name__)\n"
    )
    told = subprocess.run(
        [sys.executable, "-m", "loadgen.chaos.skewed", str(clock), "told", str(clock)],
        env=environment({"PYTHONPATH": f"{tmp_path}:{Path(__file__).parents[2]}"}),
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    ).stdout.split()
    now = time.time()
    assert abs(int(told[0]) - now - 3_600) < 60
    assert abs(int(told[1]) - now) < 60
    assert told[2] == "__main__"


class _Growing:
    """Holds more each time it is asked."""

    def __init__(self, step_mb: float) -> None:
        self._held_mb = 100.0
        self._step_mb = step_mb

    def rss_mb(self) -> dict[str, float]:
        self._held_mb += self._step_mb
        return dict.fromkeys(("route", "delivered", "other", "read"), self._held_mb)


def _flat(monkeypatch, seconds: float, step_mb: float) -> bool | None:
    now = [0.0]
    monkeypatch.setattr("loadgen.chaos.memory.time.monotonic", lambda: now[0])
    memory, parts = Memory(seconds), _Growing(step_mb)
    for _ in range(int(seconds)):
        memory.sample(parts)
        now[0] += 1
    return memory.flat()


def test_memory_that_grows_to_the_end_is_not_flat(monkeypatch) -> None:
    assert _flat(monkeypatch, 600, 0.0) is True
    assert _flat(monkeypatch, 600, 2.0) is False
    assert _flat(monkeypatch, 60, 2.0) is None, "too short to tell"
