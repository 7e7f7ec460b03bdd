"""The audit log: `python -m sql.audit list`, `python -m sql.audit verify [--head HASH]`.

    entry ─▶ hash over its columns and the hash of the entry before ─▶ table audit_log, appended to only

Two processes that write at once both follow the same entry: the chain forks there and stays whole. Who can write to the
database can take the newest entries away, or write all anew: so `verify` prints the head, to be kept elsewhere, and
`--head` tells whether one that was kept still stands.
"""

import getpass
import hashlib
import socket
import sys
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import msgspec
import polars as pl
from msgspec import Struct

from schemas.errors import TidemarkError
from schemas.settings import Settings
from schemas.times import ms_of, utc_text, wall_clock
from sql.cli import Parser, run
from sql.dsn import Embedded, parse_dsn
from sql.warehouse import Warehouse


class AuditError(TidemarkError):
    """The log is not as it was written."""


class Entry(Struct, frozen=True, kw_only=True):
    """`at` is UTC ms, `details` JSON; `subject` names no person but by a keyed hash."""

    at: int
    actor: str
    action: str
    subject: str
    details: str
    previous: str
    hash: str = ""

    def digest(self) -> str:
        """SHA-256 over the columns as a JSON array: unambiguous, whatever they hold."""
        columns = [self.at, self.actor, self.action, self.subject, self.details, self.previous]
        return hashlib.sha256(msgspec.json.encode(columns)).hexdigest()


def record(warehouse: Warehouse, action: str, subject: str, details: Mapping[str, Any], actor: str = "") -> Entry:
    """Append one entry and return it; written when it returns. Raises WarehouseError."""
    head = warehouse.ask("audit_head")
    previous, then = (head["hash"].item(), ms_of(head["at"].item())) if len(head) else ("", 0)
    entry = Entry(
        at=max(wall_clock(), then),
        actor=actor or f"{getpass.getuser()}@{socket.gethostname()}",
        action=action,
        subject=subject,
        details=msgspec.json.encode(details, order="sorted").decode(),
        previous=previous,
    )
    entry = msgspec.structs.replace(entry, hash=entry.digest())
    at = pl.lit(datetime.fromtimestamp(entry.at / 1000, UTC)).dt.cast_time_unit("ms").alias("at")
    warehouse.insert("audit_log", pl.DataFrame([msgspec.structs.asdict(entry)]).with_columns(at))
    return entry


def note(dsn: str, process: str, action: str, subject: str, details: Mapping[str, Any], actor: str = "") -> None:
    """Of what is done whether the log can be written or not: then one line on standard error says what it lacks."""
    parsed = parse_dsn(dsn)
    try:
        if isinstance(parsed, Embedded) and not parsed.folder.exists():
            raise TidemarkError(f"{parsed} does not exist")
        with Warehouse(dsn) as warehouse:
            record(warehouse, action, subject, details, actor)
    except TidemarkError as error:
        print(f"{process}: not in the audit log: {action} {subject}: {error}", file=sys.stderr, flush=True)


def entries(warehouse: Warehouse) -> list[Entry]:
    return [Entry(**row) for row in warehouse.ask("audit_entries").iter_rows(named=True)]


def verify(log: list[Entry], head: str = "") -> list[str]:
    """The heads: entries that no other follows. Raises AuditError that names the first entry that is not as written."""
    known = {entry.hash for entry in log} | {""}
    for entry in log:
        if entry.digest() != entry.hash:
            raise AuditError(f"the entry of {utc_text(entry.at)} ({entry.action}) was changed")
        if entry.previous not in known:
            raise AuditError(f"the entry before that of {utc_text(entry.at)} ({entry.action}) was taken out")
    if head not in known:
        raise AuditError(f"no entry has the hash {head}: the log was cut off, or written anew")
    followed = {entry.previous for entry in log}
    return [entry.hash for entry in log if entry.hash not in followed]


def main(argv: list[str] | None = None) -> None:
    parser = Parser(prog="python -m sql.audit", description=__doc__.partition("\n\n")[0])
    parser.add_argument("action", choices=("list", "verify"))
    parser.add_argument("--head", default="", metavar="HASH", help="of verify: an entry that must still be there")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    told = parser.parse_args(argv)
    with Warehouse(Settings.from_env().clickhouse) as warehouse:
        log = entries(warehouse)
    if told.action == "list":
        lines = [
            f"{utc_text(entry.at)}  {entry.actor}  {entry.action}  {entry.subject}  {entry.details}" for entry in log
        ]
        result: dict[str, Any] = {"entries": log}
    else:
        heads = verify(log, told.head)
        lines = [f"{len(log)} entries, unchanged; newest: {', '.join(heads) or 'none'}"]
        result = {"entries": len(log), "heads": heads}
    print(msgspec.json.encode(result).decode() if told.json else "\n".join(lines) or "no entries")


if __name__ == "__main__":
    sys.exit(run("sql.audit", main))
