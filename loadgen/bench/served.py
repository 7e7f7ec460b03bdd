"""`sql.serve` as a ClickHouse server for a benchmark: empty tables, behind HTTP, in a process of its own."""

from pathlib import Path

from loadgen.kafka_broker import free_port
from loadgen.processes import Flow
from sql.migrate import migrate
from sql.retry import retrying
from sql.warehouse import Warehouse


class Served:
    """Tables in `folder`, kept over a kill; runs within its context."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._port = free_port()
        self.dsn = f"http://127.0.0.1:{self._port}/tidemark"
        self._process: Flow | None = None

    @property
    def pid(self) -> int:
        assert self._process
        return self._process.pid

    def start(self) -> None:
        """Not waited for."""
        own = {"TIDEMARK_CLICKHOUSE": f"chdb://{self._folder}/clickhouse"}
        arguments = ["-m", "sql.serve", "--open", "--port", str(self._port)]
        self._process = Flow(arguments, own, self._folder / "server.log")

    def kill(self) -> None:
        if self._process:
            self._process.kill()

    def __enter__(self) -> "Served":
        self._folder.mkdir(parents=True, exist_ok=True)
        self.start()
        retrying(self._migrate, lambda: False, lambda _: None)
        return self

    def _migrate(self) -> None:
        with Warehouse(self.dsn, create=True) as warehouse:
            migrate(warehouse)

    def __exit__(self, *_: object) -> None:
        self.kill()
