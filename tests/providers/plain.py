"""Plain events as the frame that their lines read as."""

from collections.abc import Sequence

import polars as pl

from flows.envelopes import Parsed
from flows.plain_writer import plain_lines_by_topic
from flows.providers import NO_EVENTS
from flows.providers.plain_events import PlainEvents
from schemas.columns import STATUS_COLUMNS


def frame_of_plain(plain: Sequence[PlainEvents]) -> pl.DataFrame:
    """Lane by lane, each in the order of the events."""
    lines = b"".join(line for events in plain for _, _, line in plain_lines_by_topic(events, 1))
    return pl.read_ndjson(lines, schema=STATUS_COLUMNS) if lines else NO_EVENTS


def all_events(parsed: Parsed) -> pl.DataFrame:
    return pl.concat([frame_of_plain(parsed.plain), parsed.events])
