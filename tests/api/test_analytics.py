"""docs/analytics.md holds: its SQL runs, gives the answers that it shows, and its dictionary is that of the tables.

WRITE_DOCS=1 writes the answers anew instead of comparing them.
"""

import os
import re
from pathlib import Path

import polars as pl
import pytest

from sql.dictionary import BEGIN, END, dictionary
from sql.migrate import migrate
from sql.warehouse import QUERIES, Warehouse
from tests.api.conftest import Served

DOCS = Path(__file__).parents[2] / "docs" / "analytics.md"
QUESTION = re.compile(r"(### (\d+)\. [^\n]*\n\n```sql\n(.*?)```\n)(\n(?:\|[^\n]*\n)+)?", re.DOTALL)


def table(frame: pl.DataFrame) -> str:
    rows = [" | ".join(str(value) for value in row) for row in frame.iter_rows()]
    head = [" | ".join(frame.columns), "|".join("---" for _ in frame.columns)]
    return "".join(f"| {row} |\n" if row != head[1] else f"|{row}|\n" for row in (*head, *rows))


def test_each_question_gives_the_answer_that_is_shown(served: Served) -> None:
    text = DOCS.read_text()
    questions = QUESTION.findall(text)
    assert [int(number) for _, number, *_ in questions] == list(range(1, 11))
    with Warehouse(served.settings.clickhouse) as warehouse:
        answers = {number: table(warehouse.query(sql)) for _, number, sql, _ in questions}
    if os.environ.get("WRITE_DOCS") == "1":
        DOCS.write_text(QUESTION.sub(lambda found: f"{found[1]}\n{answers[found[2]]}", text))
        return
    for _, number, _, shown in questions:
        assert shown.lstrip("\n") == answers[number], f"question {number}"
        assert answers[number].count("\n") > 2


def test_the_dictionary_is_that_of_the_tables(warehouse: Warehouse) -> None:
    """`make generate` writes it."""
    migrate(warehouse)
    told = dictionary(warehouse)
    shown = DOCS.read_text().partition(BEGIN)[2].partition(END)[0]
    assert shown.strip() == told.strip()
    assert "|  |" not in told, "a column without a comment"


def test_every_metrics_file_exists() -> None:
    metrics = DOCS.read_text().partition("## Metrics")[2].partition("\n## ")[0]
    named = set(re.findall(r"`(\w+\.sql)`", metrics))
    assert named
    assert {name for name in named if not (QUERIES / name).exists()} == set()


@pytest.mark.parametrize("path", sorted(QUERIES.glob("*.sql")), ids=lambda path: path.stem)
def test_every_query_says_which_question_it_answers(path: Path) -> None:
    assert path.read_text().startswith("-- ")
