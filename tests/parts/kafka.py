"""A real Apache Kafka broker (KRaft, one node, loopback) for tests."""

import re
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient

from tests.parts import lacking

VERSION = "4.3.0"
_POM = Path(__file__).with_name("kafka.pom.xml")
_CACHE = Path(__file__).parents[2] / ".cache" / f"kafka-{VERSION}"
_ANSWERS_WITHIN_S = 60.0
_REMEDY = "apt-get install openjdk-17-jdk-headless maven (or a JDK of at least 17 and Maven of your own on PATH)"


class KafkaBroker:
    """One broker with its data in `folder`; keeps its port and its data over a restart."""

    def __init__(self, libs: Path, folder: Path) -> None:
        self._java = ["java", "-Xmx512m", "-cp", f"{libs}/*"]
        self._folder = folder
        self._port = free_port()
        self._process: subprocess.Popen[bytes] | None = None
        self._config = folder / "server.properties"
        self._config.write_text(_server_properties(self._port, free_port(), folder / "data"))
        self._run("kafka.tools.StorageTool", "format", "-t", "AAAAAAAAAAAAAAAAAAAAAA", "-c", str(self._config))

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self._port}"

    @property
    def dsn(self) -> str:
        return f"kafka://{self.address}"

    def _run(self, *command: str) -> None:
        subprocess.run([*self._java, *command], cwd=self._folder, check=True, capture_output=True, timeout=60)

    def start(self) -> None:
        """Return once it answers; nothing to do where it runs."""
        if self._process:
            return
        with (self._folder / "broker.log").open("ab") as log:
            command = [*self._java, "kafka.Kafka", str(self._config)]
            self._process = subprocess.Popen(command, cwd=self._folder, stdout=log, stderr=subprocess.STDOUT)
        self._wait_for_answer()

    def _wait_for_answer(self) -> None:
        client = AdminClient({"bootstrap.servers": self.address, "log_level": 0, "reconnect.backoff.max.ms": 100})
        deadline_s = time.monotonic() + _ANSWERS_WITHIN_S
        while self._process and self._process.poll() is None and time.monotonic() < deadline_s:
            with suppress(KafkaException):
                client.list_topics(timeout=0.5)
                return
        raise RuntimeError(f"no broker: {(self._folder / 'broker.log').read_text(errors='replace')[-2000:]}")

    def stop(self) -> None:
        """End it in order: killed, it would be kept out for the nine seconds that its old session lasts."""
        if self._process:
            self._process.terminate()
            try:
                self._process.wait(timeout=20)
            except subprocess.TimeoutExpired:
                self.kill()
            self._process = None

    def kill(self) -> None:
        """End it at once."""
        if self._process:
            self._process.kill()
            self._process.wait()
            self._process = None


def free_port() -> int:
    """A loopback port that was free a moment ago."""
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        port: int = sock.getsockname()[1]
        return port


def _server_properties(port: int, controller_port: int, data: Path) -> str:
    settings = {
        "process.roles": "broker,controller",
        "node.id": "1",
        "listeners": f"PLAINTEXT://127.0.0.1:{port},CONTROLLER://127.0.0.1:{controller_port}",
        "controller.listener.names": "CONTROLLER",
        "controller.quorum.voters": f"1@127.0.0.1:{controller_port}",
        "log.dirs": str(data),
        "auto.create.topics.enable": "false",
        "offsets.topic.num.partitions": "1",
        "offsets.topic.replication.factor": "1",
        "transaction.state.log.num.partitions": "1",
        "transaction.state.log.replication.factor": "1",
        "transaction.state.log.min.isr": "1",
        "group.initial.rebalance.delay.ms": "0",
    }
    return "".join(f"{name}={value}\n" for name, value in settings.items())


def kafka_jars() -> Path:
    """The folder of the broker's jars, fetched once through Maven; skips where JDK or Maven are missing."""
    if _java_version() < 17:
        lacking("a JDK of at least 17", _REMEDY)
    libs = _CACHE / "libs"
    if not libs.is_dir():
        if not shutil.which("mvn"):
            lacking("Maven", _REMEDY)
        _fetch_jars(libs)
    return libs


def _java_version() -> int:
    if not shutil.which("java"):
        return 0
    shown = subprocess.run(["java", "-version"], capture_output=True, text=True, timeout=30, check=False).stderr
    found = re.search(r'version "(\d+)', shown)
    return int(found[1]) if found else 0


def _fetch_jars(libs: Path) -> None:
    """Under another name until complete, so that an interrupted fetch is not taken for a whole one."""
    _CACHE.mkdir(parents=True, exist_ok=True)
    draft = _CACHE / "fetching"
    goal = ["dependency:copy-dependencies", "-DincludeScope=runtime", f"-DoutputDirectory={draft}"]
    command = ["mvn", "-q", "-B", "-f", str(_POM), *goal]
    done = subprocess.run(command, cwd=_CACHE, capture_output=True, text=True, timeout=280, check=False)
    if done.returncode:
        lacking(f"Apache Kafka {VERSION} from Maven", f"mvn said: {done.stdout.strip()[:300]}")
    draft.rename(libs)


@pytest.fixture(scope="session")
def kafka(tmp_path_factory: pytest.TempPathFactory) -> Iterator[KafkaBroker]:
    """A running broker, shared by all tests: use topic names of your own, and start what you stop."""
    broker = KafkaBroker(kafka_jars(), tmp_path_factory.mktemp("kafka"))
    try:
        broker.start()
        yield broker
    finally:
        broker.kill()
