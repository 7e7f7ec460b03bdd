"""Raw WhatsApp webhooks into the topic `webhook` at a pace, as the receiver writes them; made beforehand."""

import threading
import time
from collections.abc import Iterator

import numpy as np
import polars as pl
from msgspec import Struct
from numpy.typing import NDArray

from flows.topics import open_producer
from loadgen.bodies import envelopes
from loadgen.chance import scramble
from loadgen.journey import COLUMNS
from loadgen.plan import Plan
from loadgen.postings import Mailroom
from loadgen.providers import WHATSAPP
from schemas.errors import TidemarkError
from schemas.settings import Settings
from schemas.statuses import Status
from schemas.times import HOUR_MS, MINUTE_MS, SECOND_MS
from schemas.topics import WEBHOOK

CAMPAIGN = "flood"
SLOT_MS = 4
"""What comes within it is one append, to the next partition, flushed: `api.webhooks` gathers for as long."""
_REPEATS_SOONER = 200.0
"""Repeats of a body come after some 0.1 to 5 seconds, not minutes, so that the dedup window meets them."""


class Flood(Struct, frozen=True):
    """`slots[i]`: lines that are due `i * SLOT_MS` after the start.

    Delivered are the messages from `reads` on; `slot_of[i]` tells when the i-th of them is first reported.
    `delivered_by[i]`: reports of Delivered, repeats included, up to slot i.
    """

    slots: list[bytes]
    slot_of: NDArray[np.int64]
    delivered_by: NDArray[np.int64]
    delivered: int
    reads: int
    statuses: int


def make_flood(start_ms: int, seconds: float, delivered_per_s: float, read_per_s: float) -> Flood:
    """Both at their rates all the time, mixed in the same bodies: half of these hold one, the mean is five."""
    delivered, reads = (int(seconds * rate) for rate in (delivered_per_s, read_per_s))
    plan = Plan(
        messages=delivered + reads,
        start_ms=start_ms // SECOND_MS * SECOND_MS,
        duration_ms=HOUR_MS,
        campaign_id=CAMPAIGN,
        alone=True,
        providers=(WHATSAPP,),
        haste=_REPEATS_SOONER,
    )
    count = int(seconds * SECOND_MS) // SLOT_MS + 1
    slots = [b""] * count
    slot_of = np.full(delivered, count, np.int64)
    reported = np.zeros(count, np.int64)
    statuses = 0
    for postings in _posted(plan, int(seconds), delivered, reads):
        arrived = postings.with_columns(slot=_slot(plan, count))
        told = arrived.filter(pl.col("status") == Status.DELIVERED.value)
        np.minimum.at(slot_of, told["key"].to_numpy() - reads, told["slot"].to_numpy())
        np.add.at(reported, told["slot"].to_numpy(), 1)
        statuses += len(arrived)
        lines = envelopes(plan, postings).select(_slot(plan, count).alias("slot"), "line")
        for slot, several in lines.group_by("slot", maintain_order=True).agg(pl.col("line").str.join("\n")).iter_rows():
            slots[slot] += several.encode() + b"\n"
    return Flood(slots, slot_of, np.cumsum(reported), delivered, reads, statuses)


def _slot(plan: Plan, count: int) -> pl.Expr:
    return ((pl.col("arrives_at") - plan.start_ms) // SLOT_MS).clip(0, count - 1)


def _posted(plan: Plan, seconds: int, delivered: int, reads: int) -> Iterator[pl.DataFrame]:
    """A second at a time."""
    mailroom = Mailroom(plan)
    for second in range(seconds):
        last = second + 1 == seconds
        before_ms = plan.end_ms + 1 if last else plan.start_ms + (second + 1) * SECOND_MS
        ready = pl.concat(
            [
                _statuses(plan, status, first + total * second // seconds, first + total * (second + 1) // seconds)
                .with_columns(ready_at=_evenly(plan, second))
                for status, first, total in ((Status.READ, 0, reads), (Status.DELIVERED, reads, delivered))
            ]
        ).sort("ready_at", maintain_order=True)  # fmt: skip
        yield mailroom.post(ready.select(COLUMNS), before_ms, last)


def _evenly(plan: Plan, second: int) -> pl.Expr:
    return plan.start_ms + second * SECOND_MS + pl.int_range(pl.len()) * SECOND_MS // pl.len()


def _statuses(plan: Plan, status: Status, first: int, last: int) -> pl.DataFrame:
    keys = np.arange(first, last)
    return pl.DataFrame({"key": keys}).with_columns(
        id=pl.Series(scramble(keys.astype(np.uint64) * np.uint64(64) + np.uint64(list(Status).index(status)))),
        campaign=pl.lit(0, pl.UInt8),
        attempt=pl.lit(1, pl.Int64),
        provider=pl.lit(WHATSAPP.name),
        country=pl.lit("NL"),
        status=pl.lit(status.value),
        raw_status=pl.lit(None, pl.String),
        error_code=pl.lit(None, pl.String),
        event_time=plan.start_ms - pl.col("key") % MINUTE_MS,
        sent_at=plan.start_ms - MINUTE_MS - pl.col("key") % MINUTE_MS,
        echoes=pl.lit(value=True),
        tells_sent_at=pl.lit(value=True),
        twin=pl.lit(value=False),
        dead=pl.lit(value=False),
    )


class Pump(threading.Thread):
    """Appends a flood at its pace; a slot that comes late is made up for.

    `appended_at[i]`: when the append of slot i began, by the monotonic clock.
    """

    def __init__(self, settings: Settings, flood: Flood) -> None:
        super().__init__(name="pump", daemon=True)
        self._settings = settings
        self._slots = flood.slots
        self.appended_at = np.zeros(len(flood.slots))
        self.failure: TidemarkError | None = None

    def run(self) -> None:
        producer = open_producer(self._settings)
        try:
            partitions = producer.partitions(WEBHOOK)
            started, done, turn = time.monotonic(), 0, 0
            while done < len(self._slots):
                due = min(len(self._slots), int((time.monotonic() - started) * SECOND_MS) // SLOT_MS)
                if lines := b"".join(self._slots[done:due]):
                    self.appended_at[done:due] = time.monotonic()
                    producer.append(WEBHOOK, turn % partitions, lines)
                    producer.flush()
                    turn += 1
                done = due
                time.sleep(SLOT_MS / SECOND_MS)
        except TidemarkError as error:
            self.failure = error
        finally:
            producer.close()
