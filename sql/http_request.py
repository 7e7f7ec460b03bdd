"""A request to ClickHouse's HTTP interface, taken apart (https://clickhouse.com/docs/interfaces/http)."""

import base64
import binascii
import re
from email.parser import BytesParser
from email.policy import HTTP
from typing import Any
from urllib.parse import parse_qsl

from msgspec import Struct

from sql.http_refusal import BAD_ARGUMENTS, NOT_IMPLEMENTED, Refusal

# Parameters that speak to the HTTP interface; all others are settings.
_OF_INTERFACE = frozenset(
    {
        "query",
        "database",
        "user",
        "password",
        "quota_key",
        "session_id",
        "session_timeout",
        "session_check",
        "query_id",
        "default_format",
        "wait_end_of_query",
        "buffer_size",
        "compress",
        "decompress",
        "client_protocol_version",
        "role",
        "stacktrace",
        "close_session",
        "enable_http_compression",
        "send_progress_in_http_headers",
        "http_headers_progress_interval_ms",
        "cancel_http_readonly_queries_on_client_close",
    }
)
_PARAMETER = "param_"
_IDENTIFIER = re.compile(r"[A-Za-z_]\w*", re.ASCII)
_PRINTABLE = re.compile(r"[\x21-\x7e]{1,128}")
MOST_FIELDS = 1_000


class Request(Struct, frozen=True):
    method: str
    path: str
    headers: dict[str, str]
    fields: dict[str, str]

    @classmethod
    def from_scope(cls, scope: dict[str, Any]) -> "Request":
        """Raises Refusal."""
        headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}
        try:
            text = scope["query_string"].decode("ascii")
            fields = dict(parse_qsl(text, keep_blank_values=True, errors="strict", max_num_fields=MOST_FIELDS))
        except (ValueError, UnicodeError) as error:
            raise Refusal(BAD_ARGUMENTS, f"Bad URL: {error}") from None
        return cls(scope["method"], scope["path"], headers, fields)

    @property
    def query(self) -> str:
        return self.fields.get("query", "").strip()

    @property
    def database(self) -> str:
        return self.fields.get("database") or self.headers.get("x-clickhouse-database", "")

    @property
    def format(self) -> str:
        """What rows are written in where the statement doesn't say."""
        name = self.fields.get("default_format") or self.headers.get("x-clickhouse-format") or "TabSeparated"
        if not _IDENTIFIER.fullmatch(name):
            raise Refusal(BAD_ARGUMENTS, f"Bad format name {name!r}")
        return name

    @property
    def query_id(self) -> str | None:
        given = self.fields.get("query_id", "")
        return given if _PRINTABLE.fullmatch(given) else None

    @property
    def parameters(self) -> dict[str, str]:
        return {
            name.removeprefix(_PARAMETER): text for name, text in self.fields.items() if name.startswith(_PARAMETER)
        }

    @property
    def settings(self) -> dict[str, str]:
        """GET reads only, as in ClickHouse."""
        settings = {
            name: text
            for name, text in self.fields.items()
            if name not in _OF_INTERFACE and not name.startswith(_PARAMETER)
        }
        for name in settings:
            if not _IDENTIFIER.fullmatch(name):
                raise Refusal(BAD_ARGUMENTS, f"Bad setting name {name!r}")
        if self.method in ("GET", "HEAD"):
            settings.setdefault("readonly", "2")
        return settings

    @property
    def password(self) -> str:
        """By header, basic authentication or URL. The user's name is not looked at: there is one."""
        scheme, _, encoded = self.headers.get("authorization", "").partition(" ")
        if "x-clickhouse-key" in self.headers:
            return self.headers["x-clickhouse-key"]
        if scheme.lower() == "basic":
            try:
                return base64.b64decode(encoded, validate=True).decode().partition(":")[2]
            except (binascii.Error, UnicodeDecodeError):
                return ""
        return self.fields.get("password", "")

    @property
    def is_form(self) -> bool:
        return self.headers.get("content-type", "").startswith("multipart/form-data")

    def with_form(self, body: bytes) -> "Request":
        """clickhouse-connect sends the query and long parameters as form fields. Files would be external tables."""
        head = f"Content-Type: {self.headers['content-type']}\r\n\r\n".encode("latin-1")
        fields = dict(self.fields)
        for part in BytesParser(policy=HTTP).parsebytes(head + body).iter_parts():
            name = part.get_param("name", header="content-disposition")
            content = part.get_payload(decode=True)
            if part.get_filename() is not None or not isinstance(name, str) or not isinstance(content, bytes):
                raise Refusal(NOT_IMPLEMENTED, "External tables are not supported")
            fields[name] = content.decode("utf-8", "replace")
        return Request(self.method, self.path, self.headers, fields)
