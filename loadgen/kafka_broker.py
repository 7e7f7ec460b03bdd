"""A real Apache Kafka broker (KRaft, one node, loopback), its jars fetched through Maven: for benchmarks and tests."""

import re
import shutil
import socket
import subprocess
import time
from contextlib import suppress
from pathlib import Path

from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient

from loadgen.processes import last_line
from schemas.errors import TidemarkError

VERSION = "4.3.0"
REMEDY = "apt-get install openjdk-17-jdk-headless maven (or a JDK of at least 17 and Maven of your own on PATH)"
_POM = Path(__file__).with_name("kafka.pom.xml")
_CACHE = Path(__file__).parents[1] / ".cache" / f"kafka-{VERSION}"
_ANSWERS_WITHIN_S = 60.0


class Lacking(TidemarkError):
    """The machine has no `part`; `remedy` says how to get it."""

    exit_code = 2

    def __init__(self, part: str, remedy: str) -> None:
        super().__init__(f"needs {part}: {remedy}")
        self.part = part
        self.remedy = remedy


class KafkaBroker:
    """One broker with its data in `folder`; keeps its port and its data over a restart."""

    def __init__(self, libs: Path, folder: Path, *, heap: str = "512m", **settings: str) -> None:
        self._java = ["java", f"-Xmx{heap}", "-cp", f"{libs}/*"]
        self._folder = folder
        self._port = free_port()
        self._process: subprocess.Popen[bytes] | None = None
        self._config = folder / "server.properties"
        self._config.write_text(_server_properties(self._port, free_port(), folder / "data", settings))
        self._run("kafka.tools.StorageTool", "format", "-t", "AAAAAAAAAAAAAAAAAAAAAA", "-c", str(self._config))

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self._port}"

    @property
    def dsn(self) -> str:
        return f"kafka://{self.address}"

    @property
    def pid(self) -> int | None:
        """None where it does not run."""
        return self._process.pid if self._process else None

    def _run(self, *command: str) -> None:
        subprocess.run([*self._java, *command], cwd=self._folder, check=True, capture_output=True, timeout=60)

    def start(self) -> None:
        """Return once it answers; nothing to do where it runs."""
        if self._process:
            return
        self.launch()
        self._wait_for_answer()

    def launch(self) -> None:
        """Start it, and don't wait."""
        with (self._folder / "broker.log").open("ab") as log:
            command = [*self._java, "kafka.Kafka", str(self._config)]
            self._process = subprocess.Popen(command, cwd=self._folder, stdout=log, stderr=subprocess.STDOUT)

    def _wait_for_answer(self) -> None:
        client = AdminClient({"bootstrap.servers": self.address, "log_level": 0, "reconnect.backoff.max.ms": 100})
        deadline_s = time.monotonic() + _ANSWERS_WITHIN_S
        while self._process and self._process.poll() is None and time.monotonic() < deadline_s:
            with suppress(KafkaException):
                client.list_topics(timeout=0.5)
                return
        said = (self._folder / "broker.log").read_text(errors="replace")
        raise TidemarkError(f"no broker: {last_line(said)}")

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


def _server_properties(port: int, controller_port: int, data: Path, more: dict[str, str]) -> str:
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
    settings |= {name.replace("_", "."): value for name, value in more.items()}
    return "".join(f"{name}={value}\n" for name, value in settings.items())


def kafka_jars() -> Path:
    """The folder of the broker's jars, fetched once through Maven; raises Lacking without JDK or Maven."""
    if _java_version() < 17:
        raise Lacking("a JDK of at least 17", REMEDY)
    libs = _CACHE / "libs"
    if not libs.is_dir():
        fetch_jars(_POM, libs)
    return libs


def _java_version() -> int:
    if not shutil.which("java"):
        return 0
    shown = subprocess.run(["java", "-version"], capture_output=True, text=True, timeout=30, check=False).stderr
    found = re.search(r'version "(\d+)', shown)
    return int(found[1]) if found else 0


def fetch_jars(pom: Path, libs: Path) -> None:
    """What `pom` depends on, into `libs`: under another name until complete, so that an interrupted fetch is not taken
    for a whole one. Raises Lacking."""
    if not shutil.which("mvn"):
        raise Lacking("Maven", REMEDY)
    libs.parent.mkdir(parents=True, exist_ok=True)
    draft = libs.with_name("fetching")
    goal = ["dependency:copy-dependencies", "-DincludeScope=runtime", f"-DoutputDirectory={draft}"]
    command = ["mvn", "-q", "-B", "-f", str(pom), *goal]
    done = subprocess.run(command, cwd=libs.parent, capture_output=True, text=True, timeout=280, check=False)
    if done.returncode:
        raise Lacking(f"what {pom.name} names, from Maven", f"mvn said: {done.stdout.strip()[:300]}")
    draft.rename(libs)
