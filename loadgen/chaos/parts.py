"""The processes of a run: a Kafka broker, `sql.serve` as ClickHouse over HTTP, route, a process for each lane.

Whatever ends by itself is started again, as a supervisor would.
"""

import os
import resource
import signal
import time
from collections import Counter
from contextlib import suppress
from pathlib import Path

import msgspec

from loadgen.chaos.faults import FLOWS
from loadgen.chaos.proxy import Proxy
from loadgen.kafka_broker import KafkaBroker, free_port
from loadgen.proc import rss_mb
from loadgen.processes import Flow, end, last_line, variables
from schemas.settings import Settings
from schemas.statuses import Lane
from schemas.times import wall_clock

GIVES_UP_S = 5
"""How long a flow waits for ClickHouse's answer."""

_RESTS_S = 0.5
_FULL_DISK_BYTES = 32_768
"""What a process may still write of each file: its log; not its snapshots."""


class Parts:
    """All of them, by the names of `faults.PARTS`."""

    def __init__(self, folder: Path, broker: KafkaBroker, clock: int) -> None:
        self.folder = folder
        self.broker = broker
        self._port = free_port()
        self.proxy = Proxy(self._port)
        self._processes: dict[str, Flow] = {}
        self._starts: Counter[str] = Counter()
        self._ended_at: dict[str, float] = {}
        self._full: set[str] = set()
        self._skew_ms = clock - wall_clock()
        self.ended_by_itself: Counter[str] = Counter()
        self.settings = Settings(
            broker=broker.dsn,
            clickhouse=f"http://127.0.0.1:{self._port}/tidemark",
            recovery=str(folder / "recovery"),
            epoch=1000,
        )
        for name in FLOWS:
            self.set_clock(name, 0)

    def start(self, name: str) -> None:
        """Not waited for."""
        if name == "broker":
            self.broker.launch()
            return
        self._starts[name] += 1
        log = self.folder / f"{name}-{self._starts[name]}.log"
        self._processes[name] = self._server(log) if name == "server" else self._flow(name, log)
        if name in self._full:
            self._limit(name, _FULL_DISK_BYTES)

    def _server(self, log: Path) -> Flow:
        own = {"TIDEMARK_CLICKHOUSE": f"chdb://{self.folder}/clickhouse"}
        return Flow(["-m", "sql.serve", "--open", "--port", str(self._port)], own, log)

    def _flow(self, name: str, log: Path) -> Flow:
        """ClickHouse is reached through the proxy."""
        clickhouse = f"http://127.0.0.1:{self.proxy.port}/tidemark?send_receive_timeout={GIVES_UP_S}"
        settings = msgspec.structs.replace(self.settings, clickhouse=clickhouse)
        if name != "route":
            settings = msgspec.structs.replace(settings, lanes=(Lane(name),))
        module = "flows.route" if name == "route" else "flows.status"
        return Flow(["-m", "loadgen.chaos.skewed", str(self._clock_file(name)), module], variables(settings), log)

    def _clock_file(self, name: str) -> Path:
        return self.folder / f"{name}.clock"

    def set_clock(self, name: str, jump_ms: int) -> None:
        """Off by `jump_ms` from that of the others."""
        draft = self.folder / f"{name}.clock.new"
        draft.write_text(str(self._skew_ms + jump_ms))
        draft.replace(self._clock_file(name))

    def pid(self, name: str) -> int | None:
        """None where it doesn't run."""
        if name == "broker":
            return self.broker.pid
        process = self._processes.get(name)
        return process.pid if process and process.running() else None

    def kill(self, name: str) -> None:
        if name == "broker":
            self.broker.kill()
        else:
            self._processes[name].kill()
        self.start(name)

    def restart(self, name: str) -> None:
        """In order; started again when it has ended."""
        if name == "broker":
            self.broker.stop()
        elif self.pid(name):
            self._processes[name].ask_to_end()
            self._processes[name].wait(within_s=20)
        self.start(name)

    def signal(self, name: str, number: signal.Signals) -> None:
        """Nothing to do for one that is not there."""
        if pid := self.pid(name):
            with suppress(ProcessLookupError):
                os.kill(pid, number)

    def fill_disk(self, name: str) -> None:
        self._full.add(name)
        self._limit(name, _FULL_DISK_BYTES)

    def free_disk(self, name: str) -> None:
        self._full.discard(name)
        self._limit(name, resource.RLIM_INFINITY)

    def _limit(self, name: str, size: int) -> None:
        if pid := self.pid(name):
            with suppress(ProcessLookupError):
                resource.prlimit(pid, resource.RLIMIT_FSIZE, (size, resource.RLIM_INFINITY))

    def supervise(self) -> None:
        """Start again what has ended by itself, after a moment."""
        for name, process in list(self._processes.items()):
            if process.running():
                self._ended_at.pop(name, None)
            elif name not in self._ended_at:
                self._ended_at[name] = time.monotonic()
                self.ended_by_itself[name] += 1
            elif time.monotonic() - self._ended_at[name] > _RESTS_S:
                self.start(name)

    def flows(self) -> list[Flow]:
        return [self._processes[name] for name in FLOWS]

    def rss_mb(self) -> dict[str, float]:
        """By name, of those that run."""
        held = {}
        for name in (*FLOWS, "server", "broker"):
            if pid := self.pid(name):
                with suppress(OSError):
                    held[name] = rss_mb(pid)
        return held

    def tracebacks(self) -> list[str]:
        """Where a process said more than a line when it failed: the line behind its traceback."""
        found = []
        for log in sorted(self.folder.glob("*-*.log")):
            said = log.read_text(errors="replace")
            if "Traceback" in said:
                found.append(f"{log.name}: {last_line(said)}")
        return found

    def end_flows(self) -> list[int]:
        return end(self.flows())

    def close(self) -> None:
        self.proxy.close()
        for name, process in self._processes.items():
            self.signal(name, signal.SIGCONT)
            process.kill()
