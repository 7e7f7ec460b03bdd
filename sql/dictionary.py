"""`python -m sql.dictionary FILE`: write what the tables' comments say into FILE, between its two marks."""

import sys
import tempfile
from pathlib import Path

from schemas.errors import UsageError
from sql.cli import Parser, run
from sql.migrate import migrate
from sql.warehouse import Warehouse

BEGIN, END = "<!-- dictionary: python -m sql.dictionary -->", "<!-- end of dictionary -->"
_TABLES = """
SELECT name, comment
FROM system.tables
WHERE database = currentDatabase() AND engine != 'MaterializedView' AND name != 'schema_migrations'
ORDER BY name LIKE 'v\\\\_%' DESC, name
"""
_COLUMNS = """
SELECT name, type, comment
FROM system.columns
WHERE database = currentDatabase() AND table = {table:String}
ORDER BY position
"""
_LONGEST_TYPE = 40


def dictionary(warehouse: Warehouse) -> str:
    """Markdown: each table with its comment, each column with type and comment."""
    parts = []
    for table, comment in warehouse.query(_TABLES).iter_rows():
        parts += [f"### `{table}`", "", f"{comment}.", "", "| Column | Type | What |", "|---|---|---|"]
        for name, kind, meaning in warehouse.query(_COLUMNS, {"table": table}).iter_rows():
            parts.append(f"| `{name}` | {_short(kind)} | {meaning} |")
        parts.append("")
    return "\n".join(parts)


def _short(kind: str) -> str:
    """A status's Enum lists all of its values: its name is enough."""
    return f"`{kind}`" if len(kind) <= _LONGEST_TYPE else f"`{kind.partition('(')[0]}`"


def with_dictionary(text: str, told: str) -> str:
    """`text` with what stands between the marks replaced. Raises UsageError where they are missing."""
    head, begin, rest = text.partition(BEGIN)
    _, end, tail = rest.partition(END)
    if not begin or not end:
        raise UsageError(f"the marks {BEGIN} and {END} are missing")
    return f"{head}{BEGIN}\n\n{told}\n{END}{tail}"


def main(argv: list[str] | None = None) -> None:
    parser = Parser(prog="python -m sql.dictionary", description=__doc__)
    parser.add_argument("file", type=Path)
    file: Path = parser.parse_args(argv).file
    with (
        tempfile.TemporaryDirectory(prefix="tidemark-") as folder,
        Warehouse(f"chdb://{folder}/clickhouse", create=True) as warehouse,
    ):
        migrate(warehouse)
        told = dictionary(warehouse)
    try:
        file.write_text(with_dictionary(file.read_text(), told))
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"{file}: {error}") from None


if __name__ == "__main__":
    sys.exit(run("sql.dictionary", main))
