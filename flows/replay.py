"""Take the past through the pipeline again: `python -m flows.replay --from 2026-11-20T18:00Z --to 2026-11-20T19:00Z`.

Reads the topic (or, with --archive, what `flows.archive` kept of it) between two times of receipt, or two offsets of
one partition, and puts it into the live tables by way of the lane topics: twice the same changes nothing. What a replay
can't take back, a status that a parser got wrong, --rebuild CAMPAIGN does: derived anew from the raw log, then swapped.
"""

import argparse
import sys
from collections.abc import Iterable

import msgspec

from flows.history.archive import Archive
from flows.history.past import Past
from flows.history.rebuild import Rebuild
from flows.history.replay import REPLAYABLE, Replay
from flows.history.span import Span, parse_span, start_of
from flows.topics import Record, open_producer
from flows.topics.names import parse_broker
from schemas.errors import UsageError
from schemas.settings import Settings
from schemas.topics import WEBHOOK
from sql.audit import note
from sql.cli import Parser, progress, run
from sql.warehouse import Warehouse


def _parser() -> Parser:
    about = argparse.RawDescriptionHelpFormatter
    parser = Parser(prog="python -m flows.replay", description=__doc__, formatter_class=about)
    parser.add_argument("--topic", default=WEBHOOK, help=f"one of {', '.join(REPLAYABLE)} (default: {WEBHOOK})")
    parser.add_argument("--from", dest="since", metavar="POINT", help="a UTC time or an offset, included")
    parser.add_argument("--to", dest="until", metavar="POINT", help="a UTC time or an offset, excluded")
    parser.add_argument("--partition", type=int, help="of that one only; offsets need it")
    parser.add_argument("--archive", metavar="FOLDER", help="read from what flows.archive wrote, not from the topic")
    parser.add_argument("--per-s", type=float, default=20_000.0, help="events a second, 0: flat out (default: 20000)")
    parser.add_argument("--rebuild", metavar="CAMPAIGN", help="derive a campaign anew from the raw log, swap it in")
    parser.add_argument("--patience", type=float, default=60.0, help="of --rebuild: s to wait for the lanes to land")
    parser.add_argument("--json", action="store_true", help="print what was done as one JSON object")
    return parser


def _records(settings: Settings, told: argparse.Namespace, span: Span) -> Iterable[list[Record]]:
    if told.archive:
        return Archive(told.archive, told.topic).records()
    in_files = not isinstance(parse_broker(settings.broker), str)
    return Past(settings, told.topic, start_of(span, in_files=in_files), span.partition).polls()


def _replay(settings: Settings, told: argparse.Namespace) -> msgspec.Struct:
    span = parse_span(told.since, told.until, told.partition)
    producer = open_producer(settings)
    try:
        done = Replay(settings, told.topic, producer, told.per_s).run(_records(settings, told, span), span, progress)
    finally:
        producer.close()
    which = {"from": told.since or "", "to": told.until or "", "lines": done.lines, "events": done.events}
    note(settings.clickhouse, "flows.replay", "replay", told.topic, which)
    return done


def _rebuild(settings: Settings, told: argparse.Namespace) -> msgspec.Struct:
    if told.since or told.until or told.partition is not None:
        raise UsageError("--rebuild takes the whole raw log: no --from, --to or --partition")
    with Warehouse(settings.clickhouse, share=True) as warehouse:
        return Rebuild(settings, warehouse, told.rebuild, told.archive).run(told.patience, progress)


def main(argv: list[str] | None = None) -> None:
    told = _parser().parse_args(argv)
    settings = Settings.from_env()
    done = _rebuild(settings, told) if told.rebuild else _replay(settings, told)
    if told.json:
        print(msgspec.json.encode(done).decode())
    else:
        print(", ".join(f"{name}: {value}" for name, value in msgspec.structs.asdict(done).items()))


if __name__ == "__main__":
    sys.exit(run("flows.replay", main))
