"""Keep a topic beyond its retention: `python -m flows.archive write|verify|list FOLDER [--topic webhook]`.

`write` adds what the topic holds beyond the last run as Parquet files (a folder, or s3://…), `verify` checks every
checksum, `list` shows the files. `python -m flows.replay --archive FOLDER` takes it through the pipeline again.
"""

import argparse
import sys

import msgspec

from flows.history.archive import Archive, ArchivedFile
from schemas.settings import Settings
from schemas.topics import TOPICS, WEBHOOK
from sql.audit import note
from sql.cli import Parser, run


def main(argv: list[str] | None = None) -> None:
    about = argparse.RawDescriptionHelpFormatter
    parser = Parser(prog="python -m flows.archive", description=__doc__, formatter_class=about)
    parser.add_argument("action", choices=("write", "verify", "list"))
    parser.add_argument("folder", metavar="FOLDER", help="a folder, or a URI as s3://bucket/path")
    parser.add_argument("--topic", default=WEBHOOK, choices=TOPICS, help=f"default: {WEBHOOK}")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    told = parser.parse_args(argv)
    archive = Archive(told.folder, told.topic)
    if told.action == "write":
        settings = Settings.from_env()
        files = archive.extend(settings)
        lines = sum(file.rows for file in files)
        note(settings.clickhouse, "flows.archive", "archive", told.topic, {"files": len(files), "lines": lines})
    else:
        files = archive.verify() if told.action == "verify" else archive.manifest().files
    _print(told, files)


def _print(told: argparse.Namespace, files: list[ArchivedFile]) -> None:
    rows = sum(file.rows for file in files)
    if told.json:
        result = {"topic": told.topic, "files": [file.name for file in files], "lines": rows}
        print(msgspec.json.encode(result).decode())
        return
    if told.action == "list":
        for file in files:
            print(f"{file.name}  {file.rows:>9,} lines  {file.bytes:>12,} bytes  sha256 {file.sha256}")
    done = {"write": "added", "verify": "sound", "list": "kept"}[told.action]
    print(f"{told.topic}: {len(files)} files {done}, {rows:,} lines")


if __name__ == "__main__":
    sys.exit(run("flows.archive", main))
