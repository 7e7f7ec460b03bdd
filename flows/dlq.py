"""Dead letters: `python -m flows.dlq list`, `show ID`, `replay`, `discard`.

`list` tells what is open by reason, whose fault it most likely is, and how many of them today's code would take.
`replay` puts those back where they came from: what would fail again stays, and what was replayed once and came back
stays too unless --again says otherwise. `discard` closes a selection without using it; nothing leaves the topic.
"""

import argparse
import sys
from typing import Any

import msgspec

from flows.history.span import parse_span
from flows.letters import DLQ_TOPICS
from flows.mending import DeadLetters, Selection
from flows.topics import open_producer
from schemas.errors import UsageError
from schemas.settings import Settings
from schemas.times import utc_text
from sql.cli import Parser, run
from sql.warehouse import Warehouse

_SHOWN_BYTES = 4_000


def _parser() -> Parser:
    about = argparse.RawDescriptionHelpFormatter
    parser = Parser(prog="python -m flows.dlq", description=__doc__, formatter_class=about)
    parser.add_argument("action", choices=("list", "show", "replay", "discard"))
    parser.add_argument("ids", nargs="*", metavar="ID", help="as list and show print it: webhook/4611686018427387904")
    parser.add_argument("--topic", choices=DLQ_TOPICS, help="only of this topic")
    parser.add_argument("--reason", help="only with this reason")
    parser.add_argument("--provider", help="only from this provider")
    parser.add_argument("--from", dest="since", metavar="TIME", help="failed at this UTC time or later")
    parser.add_argument("--to", dest="until", metavar="TIME", help="failed before this UTC time")
    parser.add_argument("--at-most", type=int, default=20, help="of show: so many (default: 20)")
    parser.add_argument("--again", action="store_true", help="of replay: also what came back after a replay")
    parser.add_argument("--all", action="store_true", help="of discard: everything that is open")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    return parser


def _selection(told: argparse.Namespace) -> Selection:
    span = parse_span(told.since, told.until, None)
    return Selection(told.topic, told.reason, told.provider, frozenset(told.ids), span.from_ms, span.to_ms)


def _list(letters: DeadLetters, selection: Selection) -> tuple[dict[str, Any], list[str]]:
    rows = letters.summary(selection)
    lines = [
        f"{row['letters']:>7,} {row['topic']} {row['reason']} ({', '.join(row['providers']) or 'no provider'}),"
        f" {utc_text(row['first_at'])} to {utc_text(row['last_at'])}\n"
        f"        e.g. {row['example']}: {row['detail']}\n"
        f"        {row['taken_today']:,} would be taken today, {row['came_back']:,} came back after a replay;"
        f" most likely {row['whose']}: {row['do']}"
        for row in rows
    ]
    return {"open": sum(row["letters"] for row in rows), "reasons": rows}, lines or ["no dead letter is open"]


def _show(letters: DeadLetters, selection: Selection, at_most: int) -> tuple[dict[str, Any], list[str]]:
    shown: list[dict[str, Any]] = []
    lines: list[str] = []
    for judged in letters.judge(selection):
        if len(shown) == at_most:
            break
        letter = judged.letter
        told = msgspec.to_builtins(letter.letter)
        shown.append({"id": letter.id, "taken_today": judged.taken, "came_back": judged.came_back, **told})
        payload = letter.payload()[:_SHOWN_BYTES].decode(errors="replace")
        origin = f"{told['topic']} partition {told['partition']} offset {told['offset']} line {told.get('line', 0)}"
        verdict = "today's code takes it" if judged.taken else "today's code refuses it"
        lines.append(
            f"{letter.id}  {told['reason']}: {told.get('detail', '')}\n  from {origin}; {verdict}\n  {payload}"
        )
    return {"letters": shown}, lines or ["no dead letter is open"]


def _replay(settings: Settings, letters: DeadLetters, selection: Selection, again: bool) -> tuple[Any, list[str]]:
    producer = open_producer(settings)
    try:
        done = msgspec.structs.asdict(letters.replay(selection, producer, again=again))
    finally:
        producer.close()
    return done, [", ".join(f"{name.replace('_', ' ')}: {count}" for name, count in done.items())]


def _discard(letters: DeadLetters, selection: Selection, every: bool) -> tuple[dict[str, int], list[str]]:
    if selection.is_empty() and not every:
        raise UsageError("discard: say which (ids, --topic, --reason, --provider, --from, --to), or --all")
    count = letters.discard(selection)
    return {"discarded": count}, [f"discarded: {count}"]


def main(argv: list[str] | None = None) -> None:
    told = _parser().parse_args(argv)
    settings, selection = Settings.from_env(), _selection(told)
    with Warehouse(settings.clickhouse, share=True) as warehouse:
        letters = DeadLetters(settings, warehouse)
        match told.action:
            case "list":
                result, lines = _list(letters, selection)
            case "show":
                result, lines = _show(letters, selection, told.at_most)
            case "replay":
                result, lines = _replay(settings, letters, selection, told.again)
            case _:
                result, lines = _discard(letters, selection, told.all)
    print(msgspec.json.encode(result).decode() if told.json else "\n".join(lines))


if __name__ == "__main__":
    sys.exit(run("flows.dlq", main))
