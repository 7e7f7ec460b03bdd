"""Lines of status events into columns."""

import polars as pl

from flows.lines import Lines, Read
from flows.mixed_lines import LineReader, Straight
from flows.plain_lines import fingerprint
from schemas.columns import STATUS_COLUMNS

RECURRING = ("campaign_id", "error_code", "provider", "raw_status", "status")
FOREIGN = ("provider_message_id", "recipient")
"""Texts that are only asked for where our ids are missing, and null elsewhere."""
_RECEIPT = "receipt_id"
_INTEGERS = ("message_key", "attempt", "event_time", "received_at", "sent_at")
_SCHEMA = pl.Schema({name: STATUS_COLUMNS[name] for name in (*RECURRING, *FOREIGN, _RECEIPT, *_INTEGERS)})


def read_status_lines(lines: Lines) -> Read:
    """The columns of `RECURRING`, `FOREIGN` and the integers, and `receipt`: 32 bits of a hash of the receipt's id."""
    return _reader.read(lines)


def _straight(found: Straight) -> pl.DataFrame:
    foreign = found.lacks("campaign_id") | found.lacks("message_key")
    return pl.DataFrame(
        [
            *found.recurring(),
            *(found.text(name, foreign) for name in FOREIGN),
            found.hashes(_RECEIPT).alias("receipt"),
            *found.whole_numbers(),
        ]
    )


def _general(frame: pl.DataFrame) -> pl.DataFrame:
    """The same columns from the general reader's."""
    ours = pl.col("campaign_id").is_not_null() & pl.col("message_key").is_not_null()
    return frame.select(
        *(pl.col(name).cast(pl.Categorical) for name in RECURRING),
        *(pl.when(~ours).then(name).alias(name) for name in FOREIGN),
        pl.Series("receipt", [fingerprint(receipt) for receipt in frame[_RECEIPT]], pl.UInt32),
        *_INTEGERS,
    )


_reader = LineReader(_SCHEMA, _straight, _general, recurring=RECURRING, hashed=(_RECEIPT,))
