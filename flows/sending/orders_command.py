"""The words of `flows.send`: orders to processes that run, suppressions, doubts. Each works by writing to a topic."""

import sys
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Literal

import msgspec

from flows.identity import hash_keys
from flows.sending.audience import frozen_path, open_frozen
from flows.sending.audited import note_order
from flows.sending.control import Order, encode_order
from flows.sending.ledger import Doubt, Ledger
from flows.sending.suppression import Change, Suppressions, changes_of, encode_change
from flows.sending.watch import read_all
from flows.sources import make_topics
from flows.topics import open_producer
from schemas.errors import UsageError
from schemas.outbound import Settled
from schemas.settings import Settings
from schemas.times import wall_clock
from schemas.topics import OUTBOUND, SEND_CONTROL, SEND_SUPPRESSIONS, partition_of
from sql.cli import Parser

_IMPORT_BATCH = 10_000


def _parser(word: str, about: str) -> Parser:
    return Parser(prog=f"python -m flows.send {word}", description=about)


def _append(settings: Settings, topic: str, lines: Callable[[int], Iterable[tuple[int, bytes]]]) -> None:
    """Each to its partition, given how many there are."""
    producer = open_producer(settings)
    try:
        for partition, line in lines(producer.partitions(topic)):
            producer.append(topic, partition, line)
        producer.flush()
    finally:
        producer.close()


def _order(order: dict[str, object]) -> int:
    """Orders stand in one partition, in the order they were given."""
    try:
        made = msgspec.convert({"at": wall_clock(), **order}, Order)
    except msgspec.ValidationError as error:
        raise UsageError(str(error)) from None
    settings = Settings.from_env()
    _append(settings, SEND_CONTROL, lambda _: [(0, encode_order(made))])
    note_order(settings, made)
    return 0


def _rate(arguments: list[str]) -> int:
    parser = _parser("rate", "Change a running campaign's rate, effective within a second.")
    parser.add_argument("campaign")
    parser.add_argument("per_s", help="messages per second, or `none` for no limit of its own")
    told = parser.parse_args(arguments)
    try:
        rate = None if told.per_s == "none" else float(told.per_s)
    except ValueError:
        raise UsageError(f"{told.per_s!r} is no rate") from None
    return _order({"action": "rate", "campaign_id": told.campaign, "per_s": rate})


def _of_campaign(action: str, about: str) -> Callable[[list[str]], int]:
    def command(arguments: list[str]) -> int:
        parser = _parser(action, about)
        parser.add_argument("campaign")
        parser.add_argument("--why", default="", help="shown to whoever watches")
        told = parser.parse_args(arguments)
        return _order({"action": action, "campaign_id": told.campaign, "why": told.why})

    return command


def _of_way(action: str, about: str) -> Callable[[list[str]], int]:
    def command(arguments: list[str]) -> int:
        parser = _parser(action, about)
        parser.add_argument("--provider")
        parser.add_argument("--channel")
        parser.add_argument("--why", default="", help="shown to whoever watches")
        told = parser.parse_args(arguments)
        if not told.provider and not told.channel:
            raise UsageError("--provider, --channel or both")
        way = {"provider": told.provider, "channel": told.channel}
        return _order({"action": action, "why": told.why, **{name: text for name, text in way.items() if text}})

    return command


def _suppress(arguments: list[str]) -> int:
    parser = _parser("suppress", "Who is not to be written to, by one channel or by all.")
    parser.add_argument("what", choices=("add", "remove", "import"))
    parser.add_argument("who", help="a recipient; for import a file, one recipient a line, `-` for standard input")
    parser.add_argument("--channel", default="", help="only this channel")
    parser.add_argument("--why", default="asked to", help="kept beside it")
    told = parser.parse_args(arguments)
    settings = Settings.from_env()
    suppressions, now_ms = Suppressions(hash_keys(settings)), wall_clock()
    if told.what == "import":
        changes = changes_of(_lines(told.who), suppressions, now_ms, told.channel, told.why)
    else:
        changes = [suppressions.change(now_ms, told.what, told.who, told.channel, told.why)]
    if not changes:
        raise UsageError(f"{told.who}: no recipient in it")
    _append(settings, SEND_SUPPRESSIONS, lambda _: _joined(changes))
    print(f"{len(changes):,} {'removed' if told.what == 'remove' else 'suppressed'}")
    return 0


def _joined(changes: list[Change]) -> Iterable[tuple[int, bytes]]:
    for start in range(0, len(changes), _IMPORT_BATCH):
        yield 0, b"".join(map(encode_change, changes[start : start + _IMPORT_BATCH]))


def _lines(name: str) -> list[str]:
    if name == "-":
        return sys.stdin.read().splitlines()
    try:
        return Path(name).read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"{name}: {error}") from None


def _doubts(arguments: list[str]) -> int:
    parser = _parser("doubts", "List the messages of a campaign of which nobody knows whether the provider has them.")
    parser.add_argument("campaign")
    parser.add_argument("--json", action="store_true", help="one JSON object a line")
    told = parser.parse_args(arguments)
    settings = Settings.from_env()
    for doubt, to in _with_recipients(settings, told.campaign, read_doubts(settings, told.campaign)):
        if told.json:
            print(msgspec.json.encode({"to": to, **doubt._asdict()}).decode())
        else:
            print(f"{doubt.seq}\tattempt {doubt.attempt}\t{doubt.channel}\t{doubt.sender}\t{to}")
    return 0


def _with_recipients(settings: Settings, campaign: str, doubts: list[Doubt]) -> Iterable[tuple[Doubt, str]]:
    path = frozen_path(settings, campaign)
    rows = open_frozen(path).rows_at([doubt.seq for doubt in doubts]) if path.exists() and doubts else None
    known = dict(rows.select("_seq", "_to").iter_rows()) if rows is not None else {}
    return ((doubt, known.get(doubt.seq, "")) for doubt in doubts)


def read_doubts(settings: Settings, campaign: str) -> list[Doubt]:
    """From the whole ledger; raises TidemarkError."""
    return _read_ledger(settings, campaign).doubts()


def _read_ledger(settings: Settings, campaign: str) -> Ledger:
    make_topics(settings, OUTBOUND)
    ledger = Ledger(campaign)
    read_all(settings, OUTBOUND, ledger.add).close()
    return ledger


def _settle(arguments: list[str]) -> int:
    parser = _parser("settle", "Decide doubts: `sent` (never again) or `lost` (a running or the next sender sends it).")
    parser.add_argument("campaign")
    parser.add_argument("outcome", choices=("sent", "lost"))
    parser.add_argument("messages", nargs="+", type=int, help="as `doubts` lists them")
    told = parser.parse_args(arguments)
    settings = Settings.from_env()
    doubts = {doubt.seq: doubt for doubt in read_doubts(settings, told.campaign)}
    for seq in told.messages:
        if seq not in doubts:
            raise UsageError(f"{seq} is not in doubt")
    _append_settled(settings, told.campaign, told.outcome, {seq: doubts[seq].attempt for seq in told.messages})
    print(f"{len(told.messages):,} settled as {told.outcome}")
    return 0


def _replay(arguments: list[str]) -> int:
    parser = _parser(
        "replay", "Send those again that were given up (they stand in dlq.send); the next attempt of each."
    )
    parser.add_argument("campaign")
    parser.add_argument("messages", nargs="*", type=int, help="their rows in the audience; all, where none is named")
    told = parser.parse_args(arguments)
    settings = Settings.from_env()
    given_up = _read_ledger(settings, told.campaign).given_up
    chosen = {seq: given_up[seq] for seq in told.messages or given_up if seq in given_up}
    for seq in told.messages:
        if seq not in chosen:
            raise UsageError(f"{seq} was not given up")
    _append_settled(settings, told.campaign, "lost", chosen)
    print(f"{len(chosen):,} go again, by the sender that runs or by the next")
    return 0


def _append_settled(
    settings: Settings, campaign: str, outcome: Literal["sent", "lost"], attempts: dict[int, int]
) -> None:
    def lines(count: int) -> Iterable[tuple[int, bytes]]:
        for seq, attempt in attempts.items():
            record = Settled(at=wall_clock(), campaign_id=campaign, message_key=seq, attempt=attempt, outcome=outcome)
            yield partition_of(campaign, seq, count), msgspec.json.encode(record) + b"\n"

    _append(settings, OUTBOUND, lines)


WORDS: dict[str, Callable[[list[str]], int]] = {
    "rate": _rate,
    "pause": _of_campaign("pause", "Hand over nothing more of a campaign until it is resumed."),
    "resume": _of_campaign("resume", "Go on with a paused campaign."),
    "cancel": _of_campaign("cancel", "Send nothing more of a campaign, ever."),
    "kill": _of_way("kill", "Hold everything that goes by a provider or a channel."),
    "lift": _of_way("lift", "Let go, paced, what `kill` held."),
    "suppress": _suppress,
    "doubts": _doubts,
    "settle": _settle,
    "replay": _replay,
}
