"""The simulator and the sender as processes of their own, and what an operator says to them."""

import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.request import Request, urlopen

import msgspec

from loadgen.proc import cpu_s
from loadgen.processes import Flow, environment
from loadgen.provider.ledger import Entry, Pace, Told
from schemas.errors import TidemarkError


class Provider:
    """`python -m loadgen.provider` on a port of its own."""

    def __init__(self, *arguments: str, log: Path) -> None:
        with log.open("ab") as file:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "loadgen.provider", "--port", "0", *arguments],
                stdout=subprocess.PIPE,
                stderr=file,
                env=environment({}),
                text=True,
            )
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise TidemarkError(f"the simulator did not start: {log.read_text()[-500:]}")
        self.url: str = msgspec.json.decode(line)["url"]

    def _ask(self, path: str, body: bytes | None = None) -> bytes:
        try:
            with urlopen(Request(self.url + path, data=body), timeout=60) as answer:
                content: bytes = answer.read()
                return content
        except OSError as error:
            raise TidemarkError(f"the simulator does not answer {path}: {error}") from None

    def conduct(self, **changes: Any) -> None:
        self._ask("/_conduct", msgspec.json.encode(changes))

    def ledger(self) -> list[Entry]:
        """Every request so far."""
        return [msgspec.json.decode(line, type=Entry) for line in self._ask("/_ledger").splitlines()]

    def told(self) -> list[Told]:
        """Every status so far that was posted and answered 2xx, repeats included."""
        return [msgspec.json.decode(line, type=Told) for line in self._ask("/_told").splitlines()]

    def pending(self) -> int:
        """Statuses that are still to be told."""
        return msgspec.json.decode(self._ask("/_pending"), type=int)

    def taken(self) -> int:
        counts = msgspec.json.decode(self._ask("/_counts"), type=dict[str, int])
        return sum(count for status, count in counts.items() if status.startswith("2"))

    def pace(self, limit_per_s: float) -> Pace:
        return msgspec.json.decode(self._ask(f"/_pace?limit={limit_per_s}"), type=Pace)

    def cpu_s(self) -> float:
        """Of the process so far."""
        return cpu_s(self._process.pid)

    def close(self) -> None:
        self._process.terminate()
        try:
            self._process.wait(10)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        assert self._process.stdout is not None
        self._process.stdout.close()


class Sending(Flow):
    """`python -m flows.send …`, which ends by itself."""

    def __init__(self, arguments: list[str], variables: Mapping[str, str], log: Path) -> None:
        super().__init__(["-m", "flows.send", *arguments], variables, log)

    def summary(self) -> dict[str, Any]:
        """Of a run with `--json` that has ended."""
        lines = [line for line in self.said().splitlines() if line.startswith('{"campaigns"')]
        if not lines:
            raise TidemarkError(f"no summary: {self.said()[-2000:]}")
        decoded: dict[str, Any] = msgspec.json.decode(lines[-1])
        return decoded


def wait_until(condition: Any, within_s: float, otherwise: str) -> None:
    """Raises TidemarkError."""
    deadline_s = time.monotonic() + within_s
    while True:
        try:
            if condition():
                return
        except (OSError, TidemarkError):
            pass
        if time.monotonic() > deadline_s:
            raise TidemarkError(otherwise)
        time.sleep(0.05)
