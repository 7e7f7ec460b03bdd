"""What a poll of a lane becomes: parts for the window, tables beside status_events, dead letters."""

from collections.abc import Callable, Iterable
from typing import NamedTuple

import polars as pl

from flows import outbound_records, status_events
from flows.dead_letters import dead_letter, encode_dead_letter
from flows.erasures import NOBODY, Erased
from flows.identity import HashKey, older_hashes
from flows.lines import BadLine
from flows.sources import Poll
from flows.stats import LaneStats
from flows.status_batch import STATUS_TYPE, Part, cut
from flows.window import BUCKET_MS, SHARDS, Window
from flows.writer import Table
from schemas.times import Clock
from schemas.topics import DLQ_STATUS

Dead = tuple[str, int, bytes]
"""Topic, partition (any: it is taken modulo), lines."""

_ANY_WORKER = "0"


class Batch(NamedTuple):
    """Items with the keys that route them to a worker."""

    parts: list[tuple[str, Part]]
    tables: list[tuple[str, Table]]
    dead: list[tuple[str, Dead]]


class Decoder:
    """Decodes for one lane; pure but for its counts. Every line read ends in exactly one place."""

    def __init__(
        self,
        window: Window,
        keys: list[HashKey],
        clock: Clock,
        stats: LaneStats,
        erased: Callable[[], Erased] = lambda: NOBODY,
    ) -> None:
        self._window = window
        self._keys = keys
        self._clock = clock
        self._stats = stats
        self._erased = erased

    def events(self, poll: Poll) -> Batch:
        """Of a lane's own topic."""
        now = self._clock()
        decoded = status_events.decode(poll.records, now)
        self._stats.add(events=decoded.events, waiting=len(decoded.foreign))
        self._tell_age(decoded.own, now)
        tables = [("waiting", waiting(decoded.foreign, self._keys))] if len(decoded.foreign) else []
        return self._batch(poll, decoded.own, tables, decoded.bad, now)

    def outbound(self, poll: Poll) -> Batch:
        """Of topic `outbound`, for lane `other`."""
        now = self._clock()
        decoded = outbound_records.decode(poll.records, now, self._keys[0], self._keys[1:], self._erased())
        self._stats.add(events=decoded.events, waiting=decoded.waiting, erased=decoded.erased)
        return self._batch(poll, decoded.outcomes, decoded.tables.items(), decoded.bad, now)

    def _batch(
        self, poll: Poll, own: pl.DataFrame, tables: Iterable[tuple[str, pl.DataFrame]], bad: list[BadLine], now: int
    ) -> Batch:
        return Batch(
            parts=[(self._window.key(part), part) for part in cut(own, SHARDS, BUCKET_MS)],
            tables=[(_ANY_WORKER, Table(name, frame)) for name, frame in tables if len(frame)],
            dead=[(_ANY_WORKER, self._dead(poll, line, now)) for line in bad],
        )

    def _tell_age(self, own: pl.DataFrame, now: int) -> None:
        if len(own):
            self._stats.set(lag_ms=max(0, now - int(own["received_at"].to_numpy().min())))

    def _dead(self, poll: Poll, bad: BadLine, now: int) -> Dead:
        self._stats.add_dead_letters(bad.reason)
        line = bad.line
        letter = dead_letter(bad.reason, bad.detail, poll.topic, line.record, line.number, line.text, now)
        return DLQ_STATUS, line.record.partition, encode_dead_letter(letter)


def waiting(foreign: pl.DataFrame, keys: list[HashKey]) -> pl.DataFrame:
    """Rows of table `waiting`; what was recorded under an older key is looked up by that key too."""
    newest, *older = keys
    ids, recipients = foreign["provider_message_id"], foreign["recipient"]
    frame = foreign.select(
        pl.col("provider").cast(pl.Categorical),
        newest.hashes(ids),
        newest.hashes(recipients),
        pl.col("status").cast(STATUS_TYPE),
        *(pl.col(name).fill_null("").cast(pl.Categorical) for name in ("error_code", "raw_status")),
        "event_time",
        "received_at",
    )
    return frame.with_columns(older_hashes(foreign, older))
