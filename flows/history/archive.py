"""Topics as Parquet files in a folder or an S3-compatible store, and back, byte by byte.

    FOLDER/<topic>/0000001.parquet     a row a line: partition, offset and place in the topic, received_at, the line
                   manifest.json       of each file rows, bytes, SHA-256 of the file and of its lines; where to go on

A file stands in the manifest only once it is complete; what a crash left beside is written over by the next run.
`FOLDER` may be a URI that Arrow knows, as `s3://KEY:SECRET@bucket/path?endpoint_override=host:port&scheme=http`.
"""

import hashlib
import io
from collections.abc import Iterable, Iterator
from typing import Any

import msgspec
import pyarrow as pa
import pyarrow.parquet as pq
from msgspec import Struct
from pyarrow import fs

from flows.history.past import Past
from flows.history.span import time_of
from flows.topics import Position, Record
from schemas.errors import TopicError, UsageError
from schemas.settings import Settings

ROWS_PER_FILE = 500_000
BYTES_PER_FILE = 256 << 20
_SCHEMA = pa.schema(
    [
        ("partition", pa.int32()),
        ("offset", pa.int64()),
        ("place", pa.int64()),
        ("received_at", pa.int64()),
        ("line", pa.binary()),
    ]
)
_Row = tuple[int, int, int, int | None, bytes]


class ArchivedFile(Struct, frozen=True):
    """`lines_sha256` is over the lines in their order, each with its newline; times are UTC ms."""

    name: str
    rows: int
    bytes: int
    sha256: str
    lines_sha256: str
    received_from: int | None
    received_to: int | None


class Manifest(Struct):
    """What an archive holds of a topic, and the positions behind it."""

    topic: str
    files: list[ArchivedFile] = []
    positions: dict[int, Position] = {}


class Archive:
    """The archive of one topic. Raises TopicError for what is missing, damaged or cannot be written; UsageError."""

    def __init__(self, folder: str, topic: str) -> None:
        self._files, root = _open_store(folder)
        self._root = f"{root}/{topic}"
        self._shown = f"{folder.rpartition('@')[2]}/{topic}"
        self._topic = topic

    def manifest(self) -> Manifest:
        """Empty where nothing was archived yet."""
        try:
            return msgspec.json.decode(self._load("manifest.json"), type=Manifest)
        except FileNotFoundError:
            return Manifest(self._topic)
        except msgspec.MsgspecError as error:
            raise TopicError(f"{self._shown}/manifest.json: {error}") from None

    def extend(self, settings: Settings) -> list[ArchivedFile]:
        """Add what the topic holds beyond the last run; the files added."""
        manifest = self.manifest()
        past = Past(settings, self._topic, manifest.positions)
        added: list[ArchivedFile] = []
        for rows in _runs(past.polls()):
            added.append(self._write(len(manifest.files) + len(added) + 1, rows))
        # In one step, behind all its files: positions and files can't disagree.
        manifest.files += added
        manifest.positions = past.positions()
        self._store("manifest.json", msgspec.json.format(msgspec.json.encode(manifest)))
        return added

    def _write(self, number: int, rows: list[_Row]) -> ArchivedFile:
        table = pa.Table.from_arrays([pa.array(column) for column in zip(*rows, strict=True)], schema=_SCHEMA)
        buffer = io.BytesIO()
        pq.write_table(table, buffer, compression="zstd")
        content, name = buffer.getvalue(), f"{number:07}.parquet"
        self._store(name, content)
        times = [row[3] for row in rows if row[3] is not None]
        return ArchivedFile(
            name,
            len(rows),
            len(content),
            hashlib.sha256(content).hexdigest(),
            _digest(row[4] for row in rows),
            min(times, default=None),
            max(times, default=None),
        )

    def records(self) -> Iterator[list[Record]]:
        """All lines as they stood, a list for each file; each file is checked before a line of it is handed over."""
        for file in self.manifest().files:
            table = self._checked(file)
            columns = [table.column(name).to_pylist() for name in ("partition", "offset", "place", "line")]
            rows = zip(*columns, strict=True)
            yield [Record(partition, offset, place, line + b"\n") for partition, offset, place, line in rows]

    def verify(self) -> list[ArchivedFile]:
        """Read every file, check every checksum; the files. Raises TopicError that names the first that is wrong."""
        files = self.manifest().files
        for file in files:
            self._checked(file)
        return files

    def _checked(self, file: ArchivedFile) -> Any:
        try:
            content = self._load(file.name)
        except FileNotFoundError:
            raise TopicError(f"{self._shown}/{file.name}: missing") from None
        if hashlib.sha256(content).hexdigest() != file.sha256:
            raise TopicError(f"{self._shown}/{file.name}: damaged, its SHA-256 is not {file.sha256}")
        table = pq.read_table(io.BytesIO(content))
        if len(table) != file.rows or _digest(table.column("line").to_pylist()) != file.lines_sha256:
            raise TopicError(f"{self._shown}/{file.name}: its lines are not the {file.rows} that were archived")
        return table

    def _load(self, name: str) -> bytes:
        try:
            with self._files.open_input_stream(f"{self._root}/{name}") as stream:
                content: bytes = stream.read()
                return content
        except FileNotFoundError:
            raise
        except OSError as error:
            raise TopicError(f"{self._shown}/{name}: {error}") from None

    def _store(self, name: str, content: bytes) -> None:
        """Whole or not at all: a local file gets its name when complete, an object store puts so anyway."""
        is_local = isinstance(self._files, fs.LocalFileSystem)
        target = f"{self._root}/{name}"
        draft = f"{target}.new" if is_local else target
        try:
            self._files.create_dir(self._root, recursive=True)
            with self._files.open_output_stream(draft) as stream:
                stream.write(content)
            if is_local:
                self._files.move(draft, target)
        except OSError as error:
            raise TopicError(f"{self._shown}/{name}: {error}") from None


def _open_store(folder: str) -> tuple[Any, str]:
    try:
        store, root = fs.FileSystem.from_uri(folder) if "://" in folder else (fs.LocalFileSystem(), folder)
    except (OSError, ValueError) as error:
        raise UsageError(f"archive {folder.rpartition('@')[2]}: {error}") from None
    return store, root.rstrip("/")


def _digest(lines: Iterable[bytes]) -> str:
    digest = hashlib.sha256()
    for line in lines:
        digest.update(line + b"\n")
    return digest.hexdigest()


def _runs(polls: Iterable[list[Record]]) -> Iterator[list[_Row]]:
    """Rows for one file after the other."""
    rows: list[_Row] = []
    size = 0
    for row in (row for records in polls for record in records for row in _rows(record)):
        rows.append(row)
        size += len(row[4])
        if len(rows) >= ROWS_PER_FILE or size >= BYTES_PER_FILE:
            yield rows
            rows, size = [], 0
    if rows:
        yield rows


def _rows(record: Record) -> Iterator[_Row]:
    """Blank lines hold nothing; a line that no reader takes whole is kept as far as it was handed over."""
    lines = [record.value] if record.oversized else record.value.split(b"\n")
    for number, line in enumerate(lines):
        if line.strip():
            yield record.partition, record.offset, record.place + number, time_of(line), line
