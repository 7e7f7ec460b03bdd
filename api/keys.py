"""API keys: `tm_ID.SECRET`, 256 random bits, of which the table holds only a SHA-256.

`python -m api.keys create LABEL --scope read [--scope export]`, `list`, `revoke ID`. A fast hash is enough: there is
nothing to guess in 256 random bits (OWASP, password storage, is about what people choose).
"""

import secrets
import sys
from datetime import UTC, datetime
from hashlib import sha256
from hmac import compare_digest
from typing import Any, Literal, get_args

import msgspec
import polars as pl
from msgspec import Struct

from schemas.errors import UsageError
from schemas.settings import Settings
from sql import audit
from sql.cli import Parser, run
from sql.migrate import migrate
from sql.warehouse import Warehouse

Scope = Literal["read", "export", "admin"]
SCOPES: tuple[Scope, ...] = get_args(Scope)
PREFIX = "tm_"
_LONGEST = 200


class Key(Struct, frozen=True):
    """What a request may do. `admin` may all."""

    key_id: str
    label: str
    scopes: frozenset[str]

    def may(self, scope: Scope) -> bool:
        return scope in self.scopes or "admin" in self.scopes


class NewKey(Struct):
    """`key` is shown this once."""

    key_id: str
    key: str
    label: str
    scopes: list[str]


def create_key(warehouse: Warehouse, label: str, scopes: list[Scope]) -> NewKey:
    key_id, secret = secrets.token_hex(6), secrets.token_urlsafe(32)
    _write(warehouse, key_id, sha256(secret.encode()).digest(), label, list(scopes), revoked=False)
    return NewKey(key_id, f"{PREFIX}{key_id}.{secret}", label, list(scopes))


def revoke_key(warehouse: Warehouse, key_id: str) -> None:
    """Raises UsageError if there is no such key."""
    for row in warehouse.ask("keys").iter_rows(named=True):
        if row["key_id"] == key_id:
            _write(warehouse, key_id, row["hash"], row["label"], row["scopes"], revoked=True)
            return
    raise UsageError(f"there is no key {key_id}; `python -m api.keys list` lists them")


def is_key(text: str) -> bool:
    """Whether it looks like one."""
    return text.startswith(PREFIX) and "." in text and len(text) <= _LONGEST


def find_key(warehouse: Warehouse, text: str) -> Key | None:
    """The key that `text` is, if it opens; the same time whether the id or the secret is wrong."""
    if not is_key(text):
        return None
    key_id, _, secret = text.removeprefix(PREFIX).partition(".")
    given = sha256(secret.encode(errors="replace")).digest()
    found = None
    for row in warehouse.ask("keys").iter_rows(named=True):
        fits = compare_digest(row["key_id"].encode(), key_id.encode(errors="replace"))
        if compare_digest(row["hash"], given) and fits and not row["revoked"]:
            found = _key(row)
    return found


def read_key(warehouse: Warehouse, key_id: str) -> Key | None:
    """The key with that id, unless it was revoked: for who has shown the key before."""
    for row in warehouse.ask("keys").iter_rows(named=True):
        if row["key_id"] == key_id and not row["revoked"]:
            return _key(row)
    return None


def _key(row: dict[str, Any]) -> Key:
    return Key(row["key_id"], row["label"], frozenset(row["scopes"]))


def _write(warehouse: Warehouse, key_id: str, hashed: bytes, label: str, scopes: list[str], *, revoked: bool) -> None:
    now = datetime.now(UTC)
    row = {"key_id": key_id, "hash": hashed, "label": label, "scopes": scopes, "created_at": now, "revoked": revoked}
    times = pl.col("created_at", "at").cast(pl.Datetime("ms", "UTC"))
    warehouse.insert("api_keys", pl.DataFrame([row | {"at": now}]).with_columns(times))


def main(argv: list[str] | None = None) -> None:
    parser = Parser(prog="python -m api.keys", description=__doc__.partition("\n\n")[0])
    commands = parser.add_subparsers(dest="command", required=True)
    create = commands.add_parser("create", help="make a key and print it, this once")
    create.add_argument("label", help="whose it is")
    create.add_argument("--scope", choices=SCOPES, action="append", help="what it may (default: read)")
    commands.add_parser("list", help="which keys there are")
    commands.add_parser("revoke", help="a key opens no more").add_argument("key_id")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    arguments = parser.parse_args(argv)
    with Warehouse(Settings.from_env().clickhouse, create=True) as warehouse:
        migrate(warehouse)
        if arguments.command == "create":
            made = create_key(warehouse, arguments.label, arguments.scope or ["read"])
            audit.record(warehouse, "key", made.key_id, {"label": made.label, "scopes": made.scopes})
            _say(made, arguments.json)
        elif arguments.command == "revoke":
            revoke_key(warehouse, arguments.key_id)
            audit.record(warehouse, "key revoked", arguments.key_id, {})
        else:
            _list(warehouse, arguments.json)


def _say(key: NewKey, as_json: bool) -> None:
    print(
        msgspec.json.encode(key).decode()
        if as_json
        else f"{key.key}\nscopes: {', '.join(key.scopes)}; keep it, it is not shown again"
    )


def _list(warehouse: Warehouse, as_json: bool) -> None:
    keys = warehouse.ask("keys").drop("hash")
    if as_json:
        print(msgspec.json.encode({"keys": keys.to_dicts()}).decode())
        return
    for row in keys.iter_rows(named=True):
        print(f"{row['key_id']}  {'revoked' if row['revoked'] else ', '.join(row['scopes'])}  {row['label']}")


if __name__ == "__main__":
    sys.exit(run("api.keys", main))
