"""The flows as processes of their own, as an operator runs them: started, asked to end, killed, waited for."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple, TypeVar

import msgspec

from flows.topics import Position, Reader, list_partitions, open_reader
from loadgen import proc
from schemas.errors import TidemarkError, TopicDown
from schemas.settings import PREFIX, Settings
from schemas.statuses import Lane
from schemas.topics import OUTBOUND, WEBHOOK
from sql.dsn import Embedded, parse_dsn
from sql.embedded import read_address


class Input(NamedTuple):
    """Who reads what."""

    flow: str
    group: str
    topic: str


INPUTS = (
    Input("route", "tidemark.route.all", WEBHOOK),
    Input("status", "tidemark.status.other", OUTBOUND),
    *(Input("status", f"tidemark.status.{lane}", lane.topic) for lane in Lane),
)
"""In the order of the data."""

ENDS_WITHIN_S = 10.0
_LOADED_WITHIN_S = 60.0
_LOOK_EVERY_S = 0.2

Answer = TypeVar("Answer")


class Flow:
    """`python ARGUMENTS` with `variables` for its TIDEMARK_* environment; what it says is added to the file `log`."""

    def __init__(self, arguments: Iterable[str], variables: Mapping[str, str], log: Path) -> None:
        self.log = log
        with log.open("ab") as file:
            self._process = subprocess.Popen(
                [sys.executable, *arguments], env=environment(variables), stdout=file, stderr=subprocess.STDOUT
            )

    @property
    def pid(self) -> int:
        return self._process.pid

    def running(self) -> bool:
        return self._process.poll() is None

    def loading(self) -> bool:
        """Whether SIGTERM would kill it as yet, instead of asking it to end."""
        return self.running() and not proc.catches(self.pid, signal.SIGTERM)

    def ask_to_end(self) -> None:
        self._process.send_signal(signal.SIGTERM)

    def wait(self, within_s: float = ENDS_WITHIN_S) -> int:
        """The exit code; raises TidemarkError, and kills it, where it does not end in time."""
        try:
            return self._process.wait(within_s)
        except subprocess.TimeoutExpired:
            self.kill()
            raise TidemarkError(f"{self.log.name}: not ended within {within_s:.0f} s") from None

    def kill(self) -> None:
        """As `kill -9` does."""
        self._process.kill()
        self._process.wait()

    def said(self) -> str:
        return self.log.read_text(errors="replace")


def last_line(said: str) -> str:
    """What a process said last, fit for an error of one line."""
    return (said.strip().splitlines() or ["it said nothing"])[-1][:300]


def environment(variables: Mapping[str, str]) -> dict[str, str]:
    """This process's, with none of our settings but `variables`."""
    inherited = {name: text for name, text in os.environ.items() if not name.startswith(PREFIX)}
    return inherited | dict(variables)


def variables(settings: Settings) -> dict[str, str]:
    """The environment that gives a process these settings: those that differ from the defaults."""
    default = Settings()
    told = {name: value for name, value in msgspec.structs.asdict(settings).items() if value != getattr(default, name)}
    kafka = {f"{PREFIX}KAFKA_{name.upper().replace('.', '_')}": text for name, text in told.pop("kafka", {}).items()}
    secrets = told.pop("webhook_secrets", {}).items()
    webhooks = {f"{PREFIX}WEBHOOK_{name.upper()}_SECRET": ",".join(several) for name, several in secrets}
    return kafka | webhooks | {f"{PREFIX}{name.upper()}": _text(name, value) for name, value in told.items()}


def _text(name: str, value: object) -> str:
    match name, value:
        case (("epoch" | "window"), _):
            return f"{value}ms"
        case (("lanes" | "webhook_ses_sns_topics"), tuple()):
            return ",".join(value)
        case "slice", _:
            return str(value).replace("-of-", "/")
        case _, bool():
            return str(int(value))
    return str(value)


def behind(settings: Settings) -> int:
    """How much is not yet read and snapshotted, in offsets or bytes; a topic that does not exist holds nothing."""
    return sum(lag_by_topic(settings).values())


def lag_by_topic(settings: Settings) -> dict[str, int]:
    """As `behind`, for each topic that a flow reads."""
    return {read.topic: sum(_ask(settings, read, lambda reader: reader.lag()).values()) for read in INPUTS}


def progress(settings: Settings, flow: str) -> list[object]:
    """How far a flow has read and snapshotted: equal as long as it has not moved."""
    inputs = [read for read in INPUTS if read.flow == flow]
    answers = [_ask(settings, read, lambda reader: reader.positions()) for read in inputs]
    places = [[(number, _place(position)) for number, position in answer.items()] for answer in answers]
    return [[place for place in answer if any(place[1])] for answer in places]


def _place(position: Position) -> tuple[int, int]:
    """In a file topic segments read to their end, and bytes of the others: one that is merely seen changes neither."""
    if isinstance(position, int):
        return position, 0
    seen, unfinished = max(position["next"] - 1, 0), position["open"]
    return seen - len(unfinished), sum(byte for _, byte, _ in unfinished)


def _ask(settings: Settings, read: Input, ask: Callable[[Reader], dict[int, Answer]]) -> dict[int, Answer]:
    try:
        reader = open_reader(settings, read.topic, list_partitions(settings, read.topic), None, read.group)
    except TopicDown:
        raise
    except TidemarkError:
        return {}
    try:
        return ask(reader)
    finally:
        reader.close()


def wait_until_read(settings: Settings, flows: Iterable[Flow], within_s: float) -> None:
    """Until the flows have read all that was written, and snapshotted it. Raises TidemarkError: too slow, or ended."""
    flows, deadline_s = list(flows), time.monotonic() + within_s
    while behind(settings):
        _check(flows)
        if time.monotonic() > deadline_s:
            raise TidemarkError(f"not read within {within_s:.0f} s")
        time.sleep(_LOOK_EVERY_S)


def wait_until_served(settings: Settings, flows: Iterable[Flow], within_s: float) -> None:
    """Until one of the flows holds an embedded engine, so that who asks now does not take it. Raises TidemarkError."""
    dsn, deadline_s = parse_dsn(settings.clickhouse), time.monotonic() + within_s
    while isinstance(dsn, Embedded) and not _is_served(dsn.folder):
        _check(flows)
        if time.monotonic() > deadline_s:
            raise TidemarkError(f"{dsn} is not served within {within_s:.0f} s")
        time.sleep(_LOOK_EVERY_S)


def _is_served(folder: Path) -> bool:
    """The address alone says nothing: a holder that was killed leaves it."""
    address = read_address(folder)
    if address is None:
        return False
    with suppress(OSError), socket.create_connection(("127.0.0.1", address.port), timeout=1):
        return True
    return False


def _check(flows: Iterable[Flow]) -> None:
    for flow in flows:
        if not flow.running():
            raise TidemarkError(f"{flow.log.name} ended by itself: {flow.said()[-1000:]}")


def end(flows: Iterable[Flow]) -> list[int]:
    """Ask all at once, when they are loaded; their exit codes."""
    flows, deadline_s = list(flows), time.monotonic() + _LOADED_WITHIN_S
    while any(flow.loading() for flow in flows) and time.monotonic() < deadline_s:
        time.sleep(_LOOK_EVERY_S)
    for flow in flows:
        flow.ask_to_end()
    return [flow.wait() for flow in flows]
