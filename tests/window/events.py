"""Parts of status events for tests of the window."""

from collections.abc import Sequence
from typing import NamedTuple

import polars as pl

from flows.plain_lines import fingerprint
from flows.status_batch import Part, cut
from flows.status_events import typed
from flows.window import BUCKET_MS, SHARDS

HOUR = 500_000  # an hour of 2027, counted from the epoch
NOW_MS = HOUR * BUCKET_MS + BUCKET_MS // 2


class Sighting(NamedTuple):
    """One arrival of an event; `into_ms` counts from the start of the hour."""

    key: int
    into_ms: int = 0
    receipt: str = "r"
    status: str = "delivered"
    error_code: str = ""
    raw_status: str = "raw"
    hour: int = HOUR
    attempt: int = 1
    campaign: str = "c"

    @property
    def identity(self) -> tuple[object, ...]:
        raw = self.raw_status if self.status == "unknown" else ""
        return self.campaign, self.key, self.attempt, self.status, self.error_code, raw

    @property
    def at_ms(self) -> int:
        return self.hour * BUCKET_MS + self.into_ms


def frame_of(sightings: Sequence[Sighting]) -> pl.DataFrame:
    return typed(
        pl.DataFrame(
            {
                "campaign_id": [s.campaign for s in sightings],
                "message_key": [s.key for s in sightings],
                "attempt": [s.attempt for s in sightings],
                "status": [s.status for s in sightings],
                "error_code": [s.error_code for s in sightings],
                "provider": ["p"] * len(sightings),
                "raw_status": [s.raw_status for s in sightings],
                "event_time": [s.at_ms for s in sightings],
                "received_at": [s.at_ms for s in sightings],
                "sent_at": [s.at_ms for s in sightings],
                "receipt": [fingerprint(s.receipt) for s in sightings],
            },
            schema_overrides={"receipt": pl.UInt32},
        )
    )


def parts_of(sightings: Sequence[Sighting]) -> list[Part]:
    return list(cut(frame_of(sightings), SHARDS, BUCKET_MS))


def part_of(sightings: Sequence[Sighting]) -> Part:
    """All of one shard and hour, in their order."""
    (part,) = parts_of(sightings)
    return part
