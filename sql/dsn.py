"""`TIDEMARK_CLICKHOUSE` taken apart: `chdb://FOLDER`, or `http[s]://USER:PASSWORD@HOST:PORT/DATABASE`."""

import re
from pathlib import Path
from typing import Any
from urllib.parse import SplitResult, parse_qsl, unquote, urlsplit

from msgspec import Struct

from schemas.errors import UsageError

DATABASE = "tidemark"
"""The database inside an embedded engine, and a server's when the DSN names none."""

_IDENTIFIER = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,62}")
_PORTS = {"http": 8123, "https": 8443}
_BOOLEANS = {"0": False, "false": False, "1": True, "true": True}
_FORMS = "`chdb://FOLDER` or `http[s]://USER:PASSWORD@HOST:PORT/DATABASE`"


class Embedded(Struct, frozen=True):
    """chDB's engine at `folder`, shared between processes by `sql.embedded`."""

    folder: Path
    database: str = DATABASE

    def __str__(self) -> str:
        return f"chdb://{self.folder}"


class Server(Struct, frozen=True):
    """A ClickHouse server; `options` go to clickhouse-connect as they are. Prints without its password."""

    scheme: str
    host: str
    port: int
    user: str
    password: str
    database: str
    options: dict[str, Any] = {}

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{self.scheme}://{host}:{self.port}/{self.database}"


Dsn = Embedded | Server


def parse_dsn(text: str) -> Dsn:
    """Raises UsageError, one line that repeats no password."""
    if text.startswith("chdb://"):
        return _parse_embedded(text.removeprefix("chdb://"))
    try:
        parts = urlsplit(text)
        if parts.scheme in _PORTS:
            return _parse_server(parts)
    except ValueError as error:
        raise UsageError(f"TIDEMARK_CLICKHOUSE: {error}") from None
    raise UsageError(f"TIDEMARK_CLICKHOUSE: a DSN is {_FORMS}")


def _parse_embedded(folder: str) -> Embedded:
    if not folder or "?" in folder or "\0" in folder or folder.startswith(":memory:"):
        raise UsageError(f"TIDEMARK_CLICKHOUSE: chdb:// wants a folder, as in chdb://data/clickhouse, not {folder!r}")
    # chDB compares paths by their letters: one spelling for one folder.
    return Embedded(Path(folder).expanduser().resolve())


def _parse_server(parts: SplitResult) -> Server:
    if not parts.hostname:
        raise ValueError(f"no host; a DSN is {_FORMS}")
    database = unquote(parts.path).strip("/") or DATABASE
    if not _IDENTIFIER.fullmatch(database):
        raise ValueError(f"{database!r} is no database name: letters, digits and _, at most 63")
    return Server(
        scheme=parts.scheme,
        host=parts.hostname,
        port=parts.port or _PORTS[parts.scheme],
        user=unquote(parts.username or "default"),
        password=unquote(parts.password or ""),
        database=database,
        options=dict(_option(name, value) for name, value in parse_qsl(parts.query, keep_blank_values=True)),
    )


def _option(name: str, value: str) -> tuple[str, Any]:
    match name:
        case "verify" | "compress" if value.lower() in _BOOLEANS:
            return name, _BOOLEANS[value.lower()]
        case "connect_timeout" | "send_receive_timeout" if value.isdigit() and int(value) > 0:
            return name, int(value)
        case "ca_cert" | "client_cert" | "client_cert_key" | "server_host_name" if value:
            return name, value
    known = "verify, compress (0 or 1), connect_timeout, send_receive_timeout (seconds), ca_cert, client_cert, "
    raise ValueError(f"{name}={value} is no option; there are {known}client_cert_key, server_host_name")
