"""A system under measurement, seen from the bench: a process of its own, clocked from "go" to its answer."""

import contextlib
import json
import os
import subprocess
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import NamedTuple

from loadgen import proc
from loadgen.bench.contest import Task
from loadgen.processes import environment
from schemas.errors import TidemarkError

_READY_WITHIN_S = 120.0


class Measured(NamedTuple):
    """One run."""

    seconds: float
    cpu_s: float
    peak_rss_mb: float
    unique: int | None
    """What the system says that it passed on, where that is not found in the tables."""


Watch = Callable[[int], Callable[[], None]]


def watch_nothing(_pid: int) -> Callable[[], None]:
    return lambda: None


class Contender:
    """`COMMAND TASK`, speaking as `loadgen.bench.contest` says. Anything else it says goes to the file `log`."""

    def __init__(self, command: list[str], task: Task, variables: Mapping[str, str], log: Path) -> None:
        self._name = log.stem
        self._log = log
        with log.open("ab") as said:
            self._process = subprocess.Popen(
                [*command, json.dumps(task._asdict())],
                env=environment({}) | {"PYTHONPATH": str(Path(__file__).parents[2])} | dict(variables),
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=said,
                text=True,
            )

    @property
    def pid(self) -> int:
        return self._process.pid

    def measure(self, within_s: float, watch: Watch = watch_nothing) -> Measured:
        """Let it run; raises TidemarkError for one that fails or takes longer, and ends it in any case.

        `watch` is told its pid before it begins; what it returns is called when it is done, before it ends.
        """
        try:
            timer = threading.Timer(_READY_WITHIN_S, self._process.kill)
            timer.start()
            self._await("ready")
            timer.cancel()
            end_watch = watch(self.pid)
            timer = threading.Timer(within_s, self._process.kill)
            timer.start()
            try:
                measured = self._clocked(within_s)
                end_watch()
                return measured
            finally:
                timer.cancel()
        finally:
            self.close()

    def _clocked(self, within_s: float) -> Measured:
        before, started = tree_usage(self.pid), time.monotonic()
        self._tell("go\n")
        self._await("done", f"within {within_s:.0f} s")
        seconds, after = time.monotonic() - started, tree_usage(self.pid)
        unique = json.loads(self._await("{"))["unique"]
        return Measured(seconds, after.cpu_s - before.cpu_s, after.peak_rss_mb, unique)

    def _tell(self, text: str) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(text)
        self._process.stdin.flush()

    def _await(self, beginning: str, when: str = "") -> str:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            if line.startswith(beginning):
                return line
        last = self._log.read_text(errors="replace").strip().splitlines()[-1:] or ["it said nothing"]
        raise TidemarkError(f"{self._name} did not come to its end {when}".rstrip() + f": {last[0][:300]}")

    def close(self) -> None:
        """End it, in order where it still listens."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        with contextlib.suppress(BrokenPipeError):
            self._process.stdin.close()
        try:
            self._process.wait(20)
        except subprocess.TimeoutExpired:
            _kill_tree(self.pid)
            self._process.wait()
        self._process.stdout.close()


class Usage(NamedTuple):
    """Of a process and all below it, so far."""

    cpu_s: float
    peak_rss_mb: float


def tree_usage(pid: int) -> Usage:
    """Processor time (those that ended and were waited for count with their parent), and the sum of the processes'
    greatest memory."""
    cpu_s, peak_mb = 0.0, 0.0
    for one in _tree(pid):
        with contextlib.suppress(OSError):  # it has ended meanwhile
            cpu_s, peak_mb = cpu_s + proc.cpu_s(one, with_ended=True), peak_mb + proc.peak_rss_mb(one)
    return Usage(cpu_s, peak_mb)


def _tree(pid: int) -> list[int]:
    found = [pid]
    for children in Path(f"/proc/{pid}/task").glob("*/children"):
        try:
            below = children.read_text().split()
        except OSError:
            continue
        found += [one for child in below for one in _tree(int(child))]
    return found


def _kill_tree(pid: int) -> None:
    for one in reversed(_tree(pid)):
        try:
            os.kill(one, 9)
        except ProcessLookupError:
            continue
