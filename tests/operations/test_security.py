"""Kafka by SASL_SSL, ClickHouse by TLS, secrets from files; wrong ones are one line, and let nothing through."""

import socket
import ssl
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from flows.history.past import Past
from flows.topics import open_producer
from schemas.errors import TidemarkError, UsageError, WarehouseDown
from schemas.settings import Settings
from sql.serve import Ready
from sql.warehouse import Warehouse
from tests.operations.certificates import Certificates, make_certificates
from tests.parts.kafka import free_port, kafka_jars

PASSWORD = "not a default"


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    return make_certificates(tmp_path_factory.mktemp("certificates"))


@pytest.fixture(scope="module")
def secured(tmp_path_factory: pytest.TempPathFactory, certificates: Certificates) -> Iterator[str]:
    """The address of a broker that wants TLS, a name and a password."""
    folder = tmp_path_factory.mktemp("secured-kafka")
    port, controller = free_port(), free_port()
    login = "org.apache.kafka.common.security.plain.PlainLoginModule required"
    config = folder / "server.properties"
    settings = {
        "process.roles": "broker,controller",
        "node.id": "1",
        "listeners": f"SASL_SSL://127.0.0.1:{port},CONTROLLER://127.0.0.1:{controller}",
        "listener.security.protocol.map": "SASL_SSL:SASL_SSL,CONTROLLER:PLAINTEXT",
        "inter.broker.listener.name": "SASL_SSL",
        "controller.listener.names": "CONTROLLER",
        "controller.quorum.voters": f"1@127.0.0.1:{controller}",
        "log.dirs": str(folder / "data"),
        "offsets.topic.replication.factor": "1",
        "sasl.enabled.mechanisms": "PLAIN",
        "sasl.mechanism.inter.broker.protocol": "PLAIN",
        "listener.name.sasl_ssl.plain.sasl.jaas.config": (
            f'{login} username="broker" password="b" user_broker="b" user_tidemark="{PASSWORD}";'
        ),
        "ssl.keystore.type": "PEM",
        "ssl.keystore.location": str(certificates.server),
        "ssl.truststore.type": "PEM",
        "ssl.truststore.location": str(certificates.authority),
    }
    config.write_text("".join(f"{name}={value}\n" for name, value in settings.items()))
    java = ["java", "-Xmx384m", "-cp", f"{kafka_jars()}/*"]
    storage = ["kafka.tools.StorageTool", "format", "-t", "AAAAAAAAAAAAAAAAAAAAAA", "-c", str(config)]
    subprocess.run([*java, *storage], cwd=folder, check=True, capture_output=True, timeout=120)
    with (folder / "broker.log").open("wb") as log:
        broker = subprocess.Popen([*java, "kafka.Kafka", str(config)], cwd=folder, stdout=log, stderr=log)
    try:
        yield f"127.0.0.1:{port}"
    finally:
        broker.kill()
        broker.wait()


def environment(secured: str, folder: Path, certificates: Certificates, password: str = PASSWORD) -> dict[str, str]:
    """As an operator sets it, the password in a file as it is mounted."""
    secret = folder / "kafka_password"
    secret.write_text(password + "\n")
    return {
        "TIDEMARK_BROKER": f"kafka://{secured}",
        "TIDEMARK_PARTITIONS": "1",
        "TIDEMARK_KAFKA_SECURITY_PROTOCOL": "SASL_SSL",
        "TIDEMARK_KAFKA_SASL_MECHANISM": "PLAIN",
        "TIDEMARK_KAFKA_SASL_USERNAME": "tidemark",
        "TIDEMARK_KAFKA_SASL_PASSWORD_FILE": str(secret),
        "TIDEMARK_KAFKA_SSL_CA_LOCATION": str(certificates.authority),
    }


def write(settings: Settings, line: bytes) -> None:
    producer = open_producer(settings)
    try:
        producer.append("secured", 0, line)
        producer.flush()
    finally:
        producer.close()


def test_what_was_written_over_sasl_ssl_is_read_over_it(
    secured: str, tmp_path: Path, certificates: Certificates
) -> None:
    settings = Settings.from_env(environment(secured, tmp_path, certificates))
    deadline_s = time.monotonic() + 120
    while True:
        with suppress(TidemarkError):
            write(settings, b'{"n":1}\n')
            break
        assert time.monotonic() < deadline_s
    lines = [record.value for records in Past(settings, "secured").polls() for record in records]
    assert lines[-1] == b'{"n":1}\n'
    own, others = tmp_path / "own", make_certificates(tmp_path / "others")
    own.mkdir()
    guessed = environment(secured, own, certificates, password="guessed")
    for told in (guessed, environment(secured, tmp_path, others)):
        with pytest.raises(TidemarkError) as refused:
            write(Settings.from_env(told), b'{"n":2}\n')
        assert "guessed" not in str(refused.value)
        assert "\n" not in str(refused.value)


@pytest.fixture
def tls_port(clickhouse_server: Ready, certificates: Certificates) -> Iterator[int]:
    """ClickHouse's HTTP interface behind TLS, as a server or a proxy before it has it."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificates.chain, certificates.key)
    behind = urlsplit(clickhouse_server.url)
    listener = socket.create_server(("127.0.0.1", 0))
    thread = threading.Thread(target=_accept, args=(listener, context, behind.port), daemon=True)
    thread.start()
    yield listener.getsockname()[1]
    listener.close()


def _accept(listener: socket.socket, context: ssl.SSLContext, behind: int) -> None:
    while True:
        try:
            plain, _ = listener.accept()
        except OSError:
            return
        threading.Thread(target=_serve, args=(plain, context, behind), daemon=True).start()


def _serve(plain: socket.socket, context: ssl.SSLContext, behind: int) -> None:
    """One request after the other; the server ends each answer, or keeps the connection."""
    with (
        suppress(OSError),
        plain,
        context.wrap_socket(plain, server_side=True) as client,
        socket.create_connection(("127.0.0.1", behind)) as server,
    ):
        threading.Thread(target=_copy, args=(server, client), daemon=True).start()
        _copy(client, server)


def _copy(source: socket.socket, target: socket.socket) -> None:
    with suppress(OSError):
        while chunk := source.recv(1 << 16):
            target.sendall(chunk)


def test_clickhouse_over_tls(
    tls_port: int, clickhouse_server: Ready, certificates: Certificates, tmp_path: Path
) -> None:
    """With the authority that signed it; refused, in one line without the password, with another."""
    login = clickhouse_server.dsn.removeprefix("http://").partition("@")[0]
    dsn = f"https://{login}@127.0.0.1:{tls_port}/secured?ca_cert="
    with Warehouse(f"{dsn}{certificates.authority}", create=True) as warehouse:
        assert warehouse.query("SELECT 1 AS one").item() == 1
    with (
        Warehouse(f"{dsn}{make_certificates(tmp_path).authority}") as stranger,
        pytest.raises(WarehouseDown) as refused,
    ):
        stranger.query("SELECT 1")
    assert "\n" not in str(refused.value)
    assert clickhouse_server.password not in str(refused.value)


def test_a_secret_from_a_file(tmp_path: Path) -> None:
    file = tmp_path / "key"
    file.write_text(f"1:{'ab' * 16}\n")
    settings = Settings.from_env({"TIDEMARK_HASH_KEY_FILE": str(file)})
    assert settings.hash_key == f"1:{'ab' * 16}"
    with pytest.raises(UsageError, match=r"TIDEMARK_HASH_KEY_FILE=.*gone"):
        Settings.from_env({"TIDEMARK_HASH_KEY_FILE": str(tmp_path / "gone")})
    with pytest.raises(UsageError, match="both set"):
        Settings.from_env({"TIDEMARK_HASH_KEY_FILE": str(file), "TIDEMARK_HASH_KEY": "2:cd"})
