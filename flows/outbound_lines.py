"""Lines of outbound records into columns."""

import polars as pl

from flows.lines import Lines, Read
from flows.mixed_lines import LineReader, Straight
from schemas.columns import OUTBOUND_COLUMNS

RECURRING = (
    "type",
    "campaign_id",
    "channel",
    "provider",
    "sender",
    "template",
    "country",
    "reason",
    "error_code",
    "outcome",
)


def read_outbound_lines(lines: Lines) -> Read:
    """`OUTBOUND_COLUMNS`, the texts of `RECURRING` as Categorical."""
    return _reader.read(lines)


def _straight(found: Straight) -> pl.DataFrame:
    columns = [*found.recurring(), *found.whole_numbers()]
    columns += [found.text(name) for name in ("recipient", "provider_message_id")]
    columns.append(found.flag("final"))
    return pl.DataFrame(columns).select(OUTBOUND_COLUMNS.names())


def _general(frame: pl.DataFrame) -> pl.DataFrame:
    return frame.with_columns(pl.col(name).cast(pl.Categorical) for name in RECURRING)


_reader = LineReader(OUTBOUND_COLUMNS, _straight, _general, recurring=RECURRING)
