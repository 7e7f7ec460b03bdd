"""Receiver processes of their own, clients that keep a ledger of what they were answered, and both under pressure."""

import http.client
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import msgspec

from loadgen.processes import variables
from loadgen.signing import sign
from schemas.settings import Settings

SECRET = "app secret"
PATH = "/webhooks/meta_whatsapp"
_BODY = '{"entry":[{"changes":[{"field":"messages","value":{"statuses":[{"id":"%s","status":"sent"}]}}]}]}'
END_WITHIN_S = 20


class Served:
    """`python -m api.webhooks`, up once it says where."""

    def __init__(self, settings: Settings, *arguments: str) -> None:
        secrets = {"meta_whatsapp": (SECRET,)} | settings.webhook_secrets
        self.settings = msgspec.structs.replace(settings, webhook_secrets=secrets)
        inherited = {name: text for name, text in os.environ.items() if not name.startswith("TIDEMARK_")}
        self.process = subprocess.Popen(
            [sys.executable, "-m", "api.webhooks", "--port", "0", *arguments],
            env=inherited | variables(self.settings),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        assert line, self.process.communicate()[1]
        parts = urlsplit(line.strip())
        self.host, self.port = str(parts.hostname), int(parts.port or 0)

    def memory_mb(self) -> float:
        return int(Path(f"/proc/{self.process.pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 2**20

    def kill(self) -> None:
        self.process.kill()
        self.process.communicate()

    def end(self) -> int:
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(END_WITHIN_S)


@contextmanager
def serving(settings: Settings, *arguments: str) -> Iterator[Served]:
    served = Served(settings, *arguments)
    try:
        yield served
    finally:
        served.process.kill()
        served.process.communicate()


def post(served: Served, message: str, within_s: float = 60.0) -> tuple[int, Mapping[str, str]]:
    """One signed status on a connection of its own: what it was answered."""
    connection = http.client.HTTPConnection(served.host, served.port, timeout=within_s)
    try:
        return _post(connection, message)
    finally:
        connection.close()


def _post(connection: http.client.HTTPConnection, message: str) -> tuple[int, Mapping[str, str]]:
    body = (_BODY % message).encode()
    connection.request("POST", PATH, body, sign("meta_whatsapp", body, secret=SECRET))
    answer = connection.getresponse()
    answer.read()
    return answer.status, {name.lower(): text for name, text in answer.getheaders()}


class Clients:
    """Some threads that post message after message until told to stop or nobody answers any more."""

    def __init__(self, served: Served, count: int) -> None:
        self._served = served
        self._ended = threading.Event()
        self.answered: list[tuple[str, int]] = []
        """The ledger: a message is entered once its answer was read."""
        self._threads = [threading.Thread(target=self._run, args=(number,)) for number in range(count)]
        for thread in self._threads:
            thread.start()

    def _run(self, client: int) -> None:
        connection = http.client.HTTPConnection(self._served.host, self._served.port, timeout=60)
        message = 0
        try:
            while not self._ended.is_set():
                message += 1
                name = f"{client}-{message}"
                status, _ = _post(connection, name)
                self.answered.append((name, status))
        except (OSError, http.client.HTTPException):
            return
        finally:
            connection.close()

    def durable(self) -> set[str]:
        return {name for name, status in self.answered if 200 <= status < 300}

    def end(self) -> None:
        self._ended.set()
        for thread in self._threads:
            thread.join(90)
