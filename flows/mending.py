"""Decide on dead letters and act: replay what today's code takes, discard what nobody will, remember both.

open letters ─▶ selected ─▶ whole? ─▶ taken today? ─▶ came back before? ─▶ origin topic ─▶ dead_letters_done
"""

import time
from collections import Counter
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from itertools import groupby, islice
from typing import Any, Literal, NamedTuple

import polars as pl
from msgspec import Struct

from flows.letters import DLQ_TOPICS, Letter, read_letters, taken, whole_line
from flows.topics import Producer
from flows.triage import advice
from schemas.settings import Settings
from schemas.topics import DLQ_SEND
from sql import audit
from sql.warehouse import Warehouse

Action = Literal["replayed", "discarded"]
_BATCH = 500


class Selection(Struct, frozen=True):
    """Which letters are meant: all conditions that are given must hold. Times are UTC ms, of the failure."""

    topic: str | None = None
    reason: str | None = None
    provider: str | None = None
    ids: frozenset[str] = frozenset()
    from_ms: int | None = None
    to_ms: int | None = None

    def takes(self, letter: Letter) -> bool:
        told = letter.letter
        return (
            (self.reason is None or told.reason == self.reason)
            and (self.provider is None or told.provider == self.provider)
            and (not self.ids or letter.id in self.ids)
            and (self.from_ms is None or told.failed_at >= self.from_ms)
            and (self.to_ms is None or told.failed_at < self.to_ms)
        )

    def is_empty(self) -> bool:
        return self == Selection()


class Judged(NamedTuple):
    """A letter, its whole line if that still exists, and what today's code and our memory say of it."""

    letter: Letter
    line: bytes | None
    taken: bool
    came_back: bool


class Mended(Struct):
    """What a replay did, in letters. `still_refused`, `came_back` and `no_longer_whole` stay open."""

    replayed: int = 0
    still_refused: int = 0
    came_back: int = 0
    no_longer_whole: int = 0
    only_by_sender: int = 0


class DeadLetters:
    """The open dead letters of all topics. At-least-once: one replayed twice changes nothing."""

    def __init__(self, settings: Settings, warehouse: Warehouse) -> None:
        self._settings = settings
        self._warehouse = warehouse
        self._clock = settings.now()

    def open_letters(self, selection: Selection) -> Iterator[tuple[Letter, bool]]:
        """And whether each came back after a replay."""
        for topic in DLQ_TOPICS:
            if selection.topic in (None, topic):
                done = self._warehouse.ask("letters_done", topic=topic)
                places = set(done["place"].to_list())
                replayed = set(done.filter(pl.col("action") == "replayed")["digest"].to_list())
                for letter in read_letters(self._settings, topic):
                    if letter.place not in places and selection.takes(letter):
                        yield letter, letter.digest().hex().upper() in replayed

    def judge(self, selection: Selection) -> Iterator[Judged]:
        """Open letters with the verdict of today's code, a batch of one origin at a time."""
        for origin, run in groupby(self.open_letters(selection), key=lambda opened: opened[0].letter.topic):
            while batch := list(islice(run, _BATCH)):
                lines = [whole_line(self._settings, letter) for letter, _ in batch]
                verdicts = taken([line or b"" for line in lines], origin, self._clock())
                for (letter, came_back), line, takes in zip(batch, lines, verdicts, strict=True):
                    yield Judged(letter, line, takes and line is not None, came_back)

    def summary(self, selection: Selection) -> list[dict[str, Any]]:
        """A row for each topic and reason, most first."""
        groups: dict[tuple[str, str], list[Judged]] = {}
        for judged in self.judge(selection):
            groups.setdefault((judged.letter.topic, judged.letter.letter.reason), []).append(judged)
        rows = [_row(topic, reason, letters) for (topic, reason), letters in groups.items()]
        return sorted(rows, key=lambda row: -row["letters"])

    def replay(self, selection: Selection, producer: Producer, *, again: bool = False) -> Mended:
        """What today's code takes goes back where it came from; `again`: also what came back once."""
        done = Mended()
        judged = self.judge(selection)
        while batch := list(islice(judged, _BATCH)):
            sent = [one.letter for one in batch if self._send(one, producer, again, done)]
            producer.flush()
            self._remember(sent, "replayed")
        if done.replayed:
            audit.record(self._warehouse, "replay", "dead letters", {"letters": done.replayed, "which": selection})
        return done

    def _send(self, one: Judged, producer: Producer, again: bool, done: Mended) -> bool:
        if one.letter.topic == DLQ_SEND:
            done.only_by_sender += 1
        elif one.line is None:
            done.no_longer_whole += 1
        elif not one.taken:
            done.still_refused += 1
        elif one.came_back and not again:
            done.came_back += 1
        else:
            origin = one.letter.letter
            partition = origin.partition % producer.partitions(origin.topic)
            producer.append(origin.topic, partition, one.line + b"\n")
            done.replayed += 1
            return True
        return False

    def discard(self, selection: Selection) -> int:
        """How many; they stay in their topic until its retention, and are no longer open."""
        letters = [letter for letter, _ in self.open_letters(selection)]
        self._remember(letters, "discarded")
        audit.record(self._warehouse, "discard", "dead letters", {"letters": len(letters), "which": selection})
        return len(letters)

    def _remember(self, letters: Iterable[Letter], action: Action) -> None:
        at = datetime.fromtimestamp(time.time_ns() // 1_000_000 / 1000, UTC)
        rows = [
            {
                "topic": letter.topic,
                "place": letter.place,
                "digest": letter.digest(),
                "action": action,
                "reason": letter.letter.reason,
                "at": at,
            }
            for letter in letters
        ]
        if rows:
            frame = pl.DataFrame(rows, schema_overrides={"at": pl.Datetime("ms", "UTC")})
            self._warehouse.insert("dead_letters_done", frame)


def _row(topic: str, reason: str, letters: list[Judged]) -> dict[str, Any]:
    told = [judged.letter.letter for judged in letters]
    details = Counter(letter.detail for letter in told)
    return {
        "topic": topic,
        "reason": reason,
        "letters": len(letters),
        "taken_today": sum(judged.taken for judged in letters),
        "came_back": sum(judged.came_back for judged in letters),
        "first_at": min(letter.failed_at for letter in told),
        "last_at": max(letter.failed_at for letter in told),
        "providers": sorted({letter.provider for letter in told if letter.provider}),
        "example": letters[0].letter.id,
        "detail": details.most_common(1)[0][0],
        "whose": advice(reason).whose,
        "do": advice(reason).do,
    }
