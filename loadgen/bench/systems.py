"""Who is measured, and how each is started: ours in this environment, peers in one of their own (`make peers`)."""

import sys
from pathlib import Path

from msgspec import Struct, structs

CACHE = Path(__file__).parents[2] / ".cache" / "peers"


class System(Struct, frozen=True, kw_only=True):
    """One system; `module` speaks as `loadgen.bench.contest` says."""

    name: str
    module: str
    requirements: tuple[str, ...] = ()
    """Empty: it runs in this environment."""
    environment: str = ""
    """Whose environment it runs in, unless its own."""
    pom: str = ""
    """A Maven file beside its module, of the jars that it needs."""
    events_per_record: int = 0
    """The record format it likes better; 0: as Tidemark is given it."""

    def given(self, events_per_record: int) -> "System":
        """The same, reading records of so many events."""
        name, environment = f"{self.name}:{events_per_record}", self.folder.name
        return structs.replace(self, name=name, environment=environment, events_per_record=events_per_record)

    @property
    def folder(self) -> Path:
        return CACHE / (self.environment or self.name)

    @property
    def jars(self) -> Path:
        return self.folder / "jars"

    @property
    def python(self) -> str:
        return str(self.folder / "bin" / "python") if self.requirements else sys.executable

    @property
    def ready(self) -> bool:
        return not self.requirements or (self.folder / "ready").exists()


_TABLES = (
    *("chdb>=4.4,<5", "clickhouse-connect>=1.12,<2", "msgspec>=0.22,<1", "polars>=2.1,<3"),
    *("httptools>=0.9,<1", "lz4>=4.4,<5", "uvicorn>=0.54,<1", "zstandard>=0.25,<1"),
)
"""What `sql.warehouse` needs, with pyarrow: every peer inserts the way Tidemark does."""
_PYARROW = "pyarrow>=26,<27"
_QUIXSTREAMS = ("quixstreams>=3.28,<4", _PYARROW, *_TABLES)

OURS = System(name="tidemark", module="loadgen.bench.tidemark")
SYSTEMS = {
    system.name: system
    for system in (
        OURS,
        System(name="stock_bytewax", module="loadgen.bench.peers.stock_bytewax", events_per_record=100),
        System(name="clickhouse_kafka", module="loadgen.bench.peers.clickhouse_kafka", events_per_record=100),
        System(
            name="quixstreams",
            module="loadgen.bench.peers.quixstreams",
            requirements=_QUIXSTREAMS,
            events_per_record=100,
        ),
        System(
            name="quixstreams_unlogged",
            module="loadgen.bench.peers.quixstreams_unlogged",
            requirements=_QUIXSTREAMS,
            environment="quixstreams",
            events_per_record=100,
        ),
        System(
            name="faust",
            module="loadgen.bench.peers.faust",
            requirements=(
                *("faust-streaming[fast,rocksdb,uvloop]>=0.15.3,<0.16", "aiokafka[lz4]>=0.14,<1"),
                *(_PYARROW, *_TABLES),
            ),
            events_per_record=100,
        ),
        System(
            name="pathway",
            module="loadgen.bench.peers.pathway",
            requirements=("pathway>=0.33,<0.34", "pyarrow>=25,<26", *_TABLES),
            events_per_record=1,
        ),
        System(
            name="flink",
            module="loadgen.bench.peers.flink",
            requirements=("apache-flink==2.3.0",),
            pom="flink.pom.xml",
            events_per_record=1,
        ),
    )
}
