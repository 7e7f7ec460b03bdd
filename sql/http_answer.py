"""Answer one request on the engine: blocking, on a handle of its own.

request -> settings -> INSERT with data:   body, a piece at a time, through a file
                    -> SELECT to stream:   chDB's blocks, as they come
                    -> anything else:      one call, one response
"""

import json
import uuid
from collections.abc import Iterable, Iterator
from itertools import chain
from pathlib import Path
from typing import Any, BinaryIO

from sql.errors import error_code
from sql.http_coding import DECODE_ERRORS, decoded, encoder
from sql.http_exchange import CHUNK_BYTES, Body, Disconnected, Exchange, Header
from sql.http_refusal import (
    CANNOT_DECOMPRESS,
    NOT_ENOUGH_SPACE,
    NOT_IMPLEMENTED,
    QUERY_IS_TOO_LARGE,
    SYNTAX_ERROR,
    Refusal,
    status_of,
)
from sql.http_request import Request
from sql.spooled_insert import OpenHandle, spooled_insert
from sql.tokens import Insert, Scan, first_word, output_format, scan_insert, split_statements

LONGEST_STATEMENT = 16 << 20
LONGEST_INSERT_HEAD = 1 << 20
# Blocks of these can be strung together; others have a head or a tail, and come whole from one call.
_STREAMABLE = frozenset({"Native", "TabSeparated", "TSV", "CSV", "RowBinary", "JSONEachRow", "NDJSON", "JSONLines"})
_WITH_ROWS = frozenset({"SELECT", "WITH", "SHOW", "DESCRIBE", "DESC", "EXPLAIN", "EXISTS", "CHECK", "VALUES"})
_CONTENT_TYPES = {
    "CSV": "text/csv; charset=UTF-8; header=absent",
    "CSVWithNames": "text/csv; charset=UTF-8; header=present",
    "JSONEachRow": "application/x-ndjson; charset=UTF-8",
    "Native": "application/octet-stream",
    "RowBinary": "application/octet-stream",
    "Arrow": "application/octet-stream",
    "ArrowStream": "application/octet-stream",
    "Parquet": "application/octet-stream",
}


class Answering:
    """One request on its way to its response."""

    def __init__(
        self, folder: Path, open_handle: OpenHandle, timezone: str, request: Request, exchange: Exchange
    ) -> None:
        self._folder = folder
        self._open_handle = open_handle
        self._request = request
        self._exchange = exchange
        self._tag = uuid.uuid4().hex[:16]
        self._headers = [
            ("X-ClickHouse-Server-Display-Name", "tidemark"),
            ("X-ClickHouse-Query-Id", request.query_id or str(uuid.uuid4())),
            ("X-ClickHouse-Timezone", timezone),
        ]

    def run(self) -> None:
        """Never raises: what goes wrong becomes the response, or breaks it off where it has begun."""
        try:
            self._answer()
        except Disconnected:
            pass
        except DECODE_ERRORS as error:
            self._fail(error if error_code(error) else _body_refusal(error))
        except Exception as error:  # noqa: BLE001 - chDB raises RuntimeError and Exception itself
            self._fail(error)
        finally:
            self._exchange.close()

    def _answer(self) -> None:
        for name in ("compress", "decompress"):
            if self._request.fields.get(name, "0") not in ("0", "false"):
                raise Refusal(NOT_IMPLEMENTED, f"{name}=1 is not supported, Content-Encoding and Accept-Encoding are")
        body = decoded(Body(self._exchange), self._request.headers.get("content-encoding", ""))
        if self._request.is_form:
            self._request = self._request.with_form(_read_all(body, b""))
        with self._open_handle() as handle:
            self._prepare(handle)
            self._dispatch(handle, body)

    def _prepare(self, handle: Any) -> None:
        if self._request.database:
            handle.query(f"USE `{_escaped(self._request.database, '`')}`")
        changes = [f"{name} = '{_escaped(value, chr(39))}'" for name, value in self._request.settings.items()]
        if changes:
            handle.query(f"SET {', '.join(changes)}")

    def _dispatch(self, handle: Any, body: BinaryIO) -> None:
        head = f"{self._request.query}\n".encode() if self._request.query else b""
        while (insert := scan_insert(head)) is Scan.INCOMPLETE and len(head) < LONGEST_INSERT_HEAD:
            more = body.read(1 << 16)
            if not more:
                break
            head += more
        if isinstance(insert, Insert):
            self._insert(handle, insert, chain([head[insert.data_start :]], _pieces(body)))
        else:
            self._execute(handle, _read_all(body, head).decode("utf-8", "replace").strip())

    def _insert(self, handle: Any, insert: Insert, data: Iterator[bytes]) -> None:
        def write(file: BinaryIO) -> None:
            for piece in data:
                file.write(piece)

        request = self._request
        result = spooled_insert(handle, self._folder, insert.statement, insert.format, write, request.parameters)
        written = {"written_rows": result.rows_written(), "written_bytes": result.bytes_written()}
        self._respond([("Content-Type", "text/plain; charset=UTF-8"), _summary(**written)], [])

    def _execute(self, handle: Any, statement: str) -> None:
        if len(split_statements(statement)) > 1:
            raise Refusal(SYNTAX_ERROR, "Syntax error (Multi-statements are not allowed)")
        has_rows = first_word(statement) in _WITH_ROWS
        bare, named = output_format(statement) if has_rows else (statement, None)
        name = named or self._request.format
        whole = self._request.fields.get("wait_end_of_query", "0") not in ("0", "false")
        if has_rows and name in _STREAMABLE and not whole:
            self._stream(handle, statement, bare, name)
        else:
            self._once(handle, statement, bare, name, has_rows)

    def _once(self, handle: Any, statement: str, bare: str, name: str, has_rows: bool) -> None:
        result = handle.query(statement, name, params=self._request.parameters)
        rows = result.bytes() or b""
        if not rows and has_rows and name == "Native":
            rows = self._empty_block(handle, bare)
        done = _summary(
            read_rows=result.rows_read(),
            read_bytes=result.bytes_read(),
            written_rows=result.rows_written(),
            written_bytes=result.bytes_written(),
        )
        self._respond([*_typed(name, has_rows or bool(rows)), done], [rows])

    def _stream(self, handle: Any, statement: str, bare: str, name: str) -> None:
        with handle.send_query(statement, name, params=self._request.parameters) as blocks:
            first = next(blocks, None)
            if first is None:
                blocks.close()
                rows = self._empty_block(handle, bare) if name == "Native" else b""
                self._respond([*_typed(name, True), _summary()], [rows])
                return
            headers = [*_typed(name, True), ("X-ClickHouse-Exception-Tag", self._tag)]
            self._respond(headers, (block.bytes() for block in chain([first], blocks)))

    def _empty_block(self, handle: Any, statement: str) -> bytes:
        """Native's block of no rows tells a client the columns all the same; chDB leaves it out."""
        try:
            described = handle.query(f"DESCRIBE ({statement})", "JSONCompact", params=self._request.parameters)
        except Exception:  # noqa: BLE001 - SHOW and the like can't be described
            return b""
        columns = [(row[0], row[1]) for row in json.loads(described.bytes())["data"]]
        block = _varint(len(columns)) + _varint(0)
        for text in chain.from_iterable(columns):
            block += _varint(len(text.encode())) + text.encode()
        return block

    def _respond(self, headers: list[Header], pieces: Iterable[bytes]) -> None:
        """Send `pieces`. If getting them fails halfway, the text of the error ends the body, and nothing its chunks:
        a client that knows ClickHouse's tag reads the one, every other one sees that the response is torn."""
        coding = encoder(self._request.headers.get("accept-encoding", "")) if self._may_compress() else None
        encoding = [("Content-Encoding", coding[0]), ("Vary", "Accept-Encoding")] if coding else []
        self._exchange.start(200, [*self._headers, *headers, *encoding])
        pack, end = (coding[1].compress, coding[1].flush) if coding else (_as_it_is, bytes)
        try:
            for piece in pieces:
                self._write(pack(piece))
        except Disconnected:
            raise
        except Exception as error:
            self._write(pack(_tagged(str(error), self._tag)) + end())
            raise
        self._exchange.finish(end())

    def _write(self, body: bytes) -> None:
        for start in range(0, len(body), CHUNK_BYTES):
            self._exchange.write(body[start : start + CHUNK_BYTES])

    def _may_compress(self) -> bool:
        return self._request.fields.get("enable_http_compression", "0") not in ("0", "false")

    def _fail(self, error: Exception) -> None:
        code = error_code(error) or 1
        text = str(error)
        text = text[max(text.find("Code: "), 0) :].strip()
        try:
            if not self._exchange.started:
                headers = [("X-ClickHouse-Exception-Code", str(code)), ("Content-Type", "text/plain; charset=UTF-8")]
                self._exchange.start(status_of(code), [*self._headers, *headers])
                self._exchange.finish(f"{text}\n".encode())
        except Disconnected:
            pass


def _read_all(body: BinaryIO, head: bytes) -> bytes:
    """A statement, whole. Raises Refusal if it is longer than `LONGEST_STATEMENT`."""
    text = head + body.read(LONGEST_STATEMENT + 1 - len(head))
    if len(text) > LONGEST_STATEMENT:
        raise Refusal(QUERY_IS_TOO_LARGE, f"A statement has at most {LONGEST_STATEMENT} bytes")
    return text


def _body_refusal(error: Exception) -> Refusal:
    """Only the system numbers its errors: it has no room for the body. Else the body is not what it says it is."""
    if isinstance(error, OSError) and error.errno:
        return Refusal(NOT_ENOUGH_SPACE, f"Cannot keep the body: {error.strerror}")
    return Refusal(CANNOT_DECOMPRESS, f"Cannot read the body: {error}")


def _pieces(body: BinaryIO) -> Iterator[bytes]:
    while piece := body.read(CHUNK_BYTES):
        yield piece


def _typed(name: str, has_rows: bool) -> list[Header]:
    """Clients tell by X-ClickHouse-Format that a statement returns rows, be it none."""
    if not has_rows:
        return [("Content-Type", "text/plain; charset=UTF-8")]
    by_default = "application/json" if name.startswith("JSON") else "text/tab-separated-values"
    return [
        ("Content-Type", _CONTENT_TYPES.get(name, f"{by_default}; charset=UTF-8")),
        ("X-ClickHouse-Format", name),
    ]


def _summary(**counts: int) -> Header:
    names = ("read_rows", "read_bytes", "written_rows", "written_bytes", "total_rows_to_read", "result_rows")
    return "X-ClickHouse-Summary", json.dumps({name: str(counts.get(name, 0)) for name in names})


def _tagged(text: str, tag: str) -> bytes:
    """An error behind the rows that were sent before it, as ClickHouse marks it since 25.11."""
    message = text[max(text.find("Code: "), 0) :].encode() + b"\n"
    mark = tag.encode()
    return b"\r\n__exception__\r\n%b\r\n%b%d %b\r\n__exception__\r\n" % (mark, message, len(message), mark)


def _escaped(text: str, quote: str) -> str:
    return text.replace("\\", "\\\\").replace(quote, f"\\{quote}")


def _varint(number: int) -> bytes:
    """ClickHouse's and Protocol Buffers' variable-length unsigned integer."""
    encoded = bytearray()
    while number >= 0x80:
        encoded.append(number & 0x7F | 0x80)
        number >>= 7
    encoded.append(number)
    return bytes(encoded)


def _as_it_is(data: bytes) -> bytes:
    return data
