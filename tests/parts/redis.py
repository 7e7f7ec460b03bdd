"""A real Redis for tests, on loopback, without persistence."""

import shutil
import subprocess
import time
from collections.abc import Iterator

import pytest
import redis

from tests.parts import lacking
from tests.parts.kafka import free_port


class RedisServer:
    """Keeps its port over `kill` and `start`, and nothing else."""

    def __init__(self) -> None:
        program = shutil.which("redis-server")
        if program is None:
            lacking("redis-server", "apt-get install redis-server")
        self._program = program
        self._port = free_port()
        self._process: subprocess.Popen[bytes] | None = None
        self.url = f"redis://127.0.0.1:{self._port}"

    def start(self) -> None:
        command = [self._program, "--port", str(self._port), "--save", "", "--appendonly", "no", "--bind", "127.0.0.1"]
        self._process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
        client, deadline_s = redis.Redis.from_url(self.url), time.monotonic() + 10
        while True:
            try:
                client.ping()
                break
            except redis.RedisError:
                assert time.monotonic() < deadline_s
                time.sleep(0.02)
        client.close()

    def kill(self) -> None:
        if self._process:
            self._process.kill()
            self._process.wait()
            self._process = None


@pytest.fixture
def redis_server() -> Iterator[RedisServer]:
    server = RedisServer()
    server.start()
    yield server
    server.kill()
