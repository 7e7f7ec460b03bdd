"""A stage for trials of the sender: a simulator, campaigns sent to it by other processes, what arrived, a Redis."""

import shutil
import socket
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec

from flows.sources import make_topics
from loadgen.processes import variables
from loadgen.provider.ledger import Entry
from loadgen.sends.scene import write_audience, write_campaign
from loadgen.sends.simulated import Provider, Sending, wait_until
from schemas.errors import TidemarkError
from schemas.settings import Settings
from schemas.topics import OUTBOUND

_STARTS_WITHIN_S = 60.0


class Stage:
    """A simulator, campaigns sent to it, and what arrived."""

    def __init__(self, settings: Settings, folder: Path) -> None:
        make_topics(settings, OUTBOUND)
        self._settings = settings
        self.folder = folder
        self.provider = Provider("--latency-ms", "40", log=folder / "provider.log")
        self._sendings: list[Sending] = []

    def campaign(self, name: str, rows: int, **fields: Any) -> str:
        write_audience(self.folder / f"{name}.csv", rows, plain=True)
        audience = {"file": f"{name}.csv"}
        return str(write_campaign(self.folder, self.provider.url, id=name, audience=audience, **fields))

    def send(self, *paths: str, **changes: Any) -> Sending:
        settings = msgspec.structs.replace(self._settings, **changes)
        log = self.folder / f"send-{len(self._sendings)}.log"
        sending = Sending([*paths, "--json"], variables(settings), log)
        self._sendings.append(sending)
        return sending

    def taken(self) -> list[Entry]:
        """In the order of arrival."""
        return sorted((one for one in self.provider.ledger() if one.status == 200), key=lambda one: one.arrived)

    def wait_for(self, condition: Callable[[], bool], otherwise: str) -> None:
        wait_until(condition, _STARTS_WITHIN_S, otherwise)

    def close(self) -> None:
        for sending in self._sendings:
            sending.kill()
        self.provider.close()


class Redis:
    """Debian's, on loopback, without persistence. Raises TidemarkError where there is none."""

    def __init__(self) -> None:
        program = shutil.which("redis-server")
        if program is None:
            raise TidemarkError("redis-server is not here; apt-get install redis-server")
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        self.url = f"redis://127.0.0.1:{port}"
        self._command = [program, "--port", str(port), "--save", "", "--appendonly", "no", "--bind", "127.0.0.1"]
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        self._process = subprocess.Popen(self._command, stdout=subprocess.DEVNULL)

    def kill(self) -> None:
        if self._process:
            self._process.kill()
            self._process.wait()
            self._process = None
