"""Where the processor time of an event goes: stages of the status flow, and a flame graph.

Two things are put together: what each thread of the process used (/proc, by its name: librdkafka's, ClickHouse's and
Polars' own threads run no Python), and where Python's threads were when py-spy looked, two hundred times a second.
"""

import signal
import subprocess
import sys
import threading
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Mapping
from pathlib import Path

from msgspec import Struct

from loadgen.bench.arena import Arena
from loadgen.proc import TICKS_PER_S
from loadgen.processes import last_line
from schemas.errors import TidemarkError

STAGES = ("consume", "decode", "hash", "window", "convert", "insert", "other")
_PLACES = {
    "consume": ("flows/topics/", "flows/sources.py"),
    "decode": (
        *("flows/status_lines.py", "flows/mixed_lines.py", "flows/plain_", "flows/lines.py", "flows/checks.py"),
        *("flows/status_events.py", "flows/text_table.py", "flows/status_decoder.py"),
    ),
    "hash": ("flows/status_batch.py", "flows/identity.py"),
    "window": ("flows/window.py", "flows/window_log.py", "flows/id_table.py"),
    "convert": ("flows/writer.py", "_write_arrow"),
    "insert": ("sql/",),
}
"""Files by stage; a stack belongs to its innermost frame that is in one of them."""
_THREADS = {"rdk": "consume", "polars": "convert"}
"""Threads without Python, by how their name begins; those of none belong to ClickHouse, which inserts and merges."""
_PYTHON = ("python", "pt_main_thread")
_SAMPLES_PER_S = 200
_LOOK_EVERY_S = 0.1
_ATTACHES_WITHIN_S = 2.0


class Profile(Struct, kw_only=True):
    """Microseconds an event. `stages` is processor time; `waiting_us` how long the dataflow's thread stood still."""

    stages: dict[str, float]
    waiting_us: float
    events_per_s: float
    flame_graph: str


def profile(arena: Arena, events: int, events_per_record: int, folder: Path) -> Profile:
    """Two more runs of Tidemark, one for each of py-spy's formats. Raises TidemarkError where it may not look."""
    folder.mkdir(parents=True, exist_ok=True)
    graph, stacks = folder / "tidemark.svg", folder / "tidemark.stacks"
    arena.run_watched(events_per_record, lambda pid: _spy(pid, "flamegraph", graph))
    threads: list[_Threads] = []

    def watch(pid: int) -> Callable[[], None]:
        end_spy = _spy(pid, "raw", stacks)
        threads.append(_Threads(pid))

        def end() -> None:
            threads[0].end()
            end_spy()

        return end

    measured = arena.run_watched(events_per_record, watch)
    return Profile(
        stages=_per_event(stage_seconds(threads[0].used_s(), stacks.read_text(), measured.cpu_s), events),
        waiting_us=round(1e6 * max(0.0, measured.seconds - threads[0].main_s()) / events, 3),
        events_per_s=round(events / measured.seconds, 1),
        flame_graph=str(graph),
    )


def _spy(pid: int, kind: str, into: Path) -> Callable[[], None]:
    """From now on; what is returned ends it."""
    command = [str(Path(sys.executable).with_name("py-spy")), "record", "--pid", str(pid), "--output", str(into)]
    command += ["--format", kind, "--rate", str(_SAMPLES_PER_S), "--threads"]
    spy = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)

    time.sleep(_ATTACHES_WITHIN_S)

    def end() -> None:
        spy.send_signal(signal.SIGINT)
        _, said = spy.communicate(timeout=60)
        if not into.exists():
            raise TidemarkError(f"py-spy: {last_line(said)}")

    return end


class _Threads:
    """What each thread of a process used since it was made, looked at now and then, as threads come and go."""

    def __init__(self, pid: int) -> None:
        self._pid = pid
        self._ended = threading.Event()
        self._before = self._look()
        self._last = dict(self._before)
        self._looking = threading.Thread(target=self._run, daemon=True)
        self._looking.start()

    def _run(self) -> None:
        while not self._ended.wait(_LOOK_EVERY_S):
            self._last |= self._look()

    def _look(self) -> dict[int, tuple[str, float]]:
        found = {}
        for task in Path(f"/proc/{self._pid}/task").glob("*"):
            try:
                name, _, rest = (task / "stat").read_text().partition("(")[2].rpartition(")")
            except OSError:
                continue  # it has ended
            fields = rest.split()
            found[int(task.name)] = name, (int(fields[11]) + int(fields[12])) / TICKS_PER_S
        return found

    def end(self) -> None:
        self._last |= self._look()
        self._ended.set()
        self._looking.join()

    def used_s(self) -> dict[str, float]:
        """By name of thread."""
        used: dict[str, float] = defaultdict(float)
        for number, (name, seconds) in self._last.items():
            used[name] += seconds - self._before.get(number, ("", 0.0))[1]
        return used

    def main_s(self) -> float:
        """Of the thread that the dataflow runs in."""
        return self._last[self._pid][1] - self._before[self._pid][1]


def stage_seconds(threads: Mapping[str, float], stacks: str, total_s: float) -> dict[str, float]:
    """Processor seconds by stage; Python's threads are shared out by where they were seen, the rest is `other`."""
    seconds = dict.fromkeys(STAGES, 0.0)
    python_s = 0.0
    for name, used_s in threads.items():
        if name.startswith(_PYTHON):
            python_s += used_s
        else:
            seconds[next((stage for start, stage in _THREADS.items() if name.startswith(start)), "insert")] += used_s
    seen = Counter[str]()
    for line in stacks.splitlines():
        stack, _, samples = line.rpartition(" ")
        seen[stage_of(stack)] += int(samples)
    for stage, share in seen.items():
        seconds[stage] += python_s * share / seen.total()
    seconds["other"] += max(0.0, total_s - sum(seconds.values()))
    return seconds


def stage_of(stack: str) -> str:
    """Of one collapsed stack, outermost frame first."""
    for frame in reversed(stack.split(";")):
        for stage, places in _PLACES.items():
            if any(place in frame for place in places):
                return stage
    return "other"


def _per_event(seconds: dict[str, float], events: int) -> dict[str, float]:
    return {stage: round(1e6 * used_s / events, 3) for stage, used_s in seconds.items()}


def in_words(found: Profile) -> str:
    stages = ", ".join(f"{stage} {us:.2f}" for stage, us in found.stages.items())
    return (
        f"by stage, µs CPU an event: {stages}; the dataflow's thread waits {found.waiting_us:.2f} µs an event"
        f" ({found.events_per_s:,.0f} events/s under the profiler)\nflame graph: {found.flame_graph}"
    )
