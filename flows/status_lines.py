"""Lines of status events into columns: plain ones straight, all others by the general reader."""

from functools import cache

import numpy as np
import polars as pl
from numpy.typing import NDArray

from flows.lines import LONGEST_LINE_BYTES, Lines, Read, cut_records, read_rows
from flows.plain_lines import Plain, PlainReader, as_categorical, fingerprint, fingerprints, interned
from schemas.columns import STATUS_COLUMNS

RECURRING = ("campaign_id", "error_code", "provider", "raw_status", "status")
"""Texts of which there are few: Categorical, so that they are compared and sent as numbers."""
FOREIGN = ("provider_message_id", "recipient")
"""Texts that are only asked for where our ids are missing, and null elsewhere."""
_TEXTS = (*RECURRING, *FOREIGN, "receipt_id")
_INTEGERS = ("message_key", "attempt", "event_time", "received_at", "sent_at")
_SCHEMA = pl.Schema({name: STATUS_COLUMNS[name] for name in (*_TEXTS, *_INTEGERS)})


@cache
def _reader() -> PlainReader:
    return PlainReader(_TEXTS, _INTEGERS)


def read_status_lines(lines: Lines) -> Read:
    """The columns of `RECURRING`, `FOREIGN` and the integers, and `receipt`: 32 bits of a hash of the receipt's id."""
    buffer = np.frombuffer(lines.buffer, np.uint8)
    plain = _reader().read(buffer)
    lengths = np.diff(plain.begins, append=len(buffer) + 1)
    straight = plain.plain & (lengths <= LONGEST_LINE_BYTES)
    if straight.all():
        return Read(_columns(buffer, plain), None, cut_records(lines))
    rest = read_rows(lines, np.flatnonzero(~straight), _SCHEMA)
    frame = pl.concat([_columns(buffer, plain).filter(pl.Series(straight)), _general(rest.frame)])
    numbers = np.concatenate([np.flatnonzero(straight), rest.line_numbers(np.arange(len(rest.frame)))])
    order = np.argsort(numbers)
    return Read(frame[order], numbers[order], cut_records(lines) + rest.bad)


def _columns(buffer: NDArray[np.uint8], plain: Plain) -> pl.DataFrame:
    """A row each, of those that aren't plain with nothing in it."""
    columns = [_recurring(buffer, plain, place, name) for place, name in enumerate(RECURRING)]
    foreign = _lacks_our_ids(plain)
    columns += [_foreign(buffer, plain, _TEXTS.index(name), name, foreign) for name in FOREIGN]
    receipts = _TEXTS.index("receipt_id")
    columns.append(pl.Series("receipt", fingerprints(buffer, plain.starts[receipts], plain.lengths[receipts])))
    for place, name in enumerate(_INTEGERS):
        numbers, absent = pl.Series(name, plain.numbers[place]), plain.absent[place]
        columns.append(numbers if not absent.any() else numbers.set(pl.Series(absent), None))
    return pl.DataFrame(columns)


def _recurring(buffer: NDArray[np.uint8], plain: Plain, place: int, name: str) -> pl.Series:
    starts, lengths = plain.starts[place], plain.lengths[place]
    column = as_categorical(name, *interned(buffer, starts, lengths))
    absent = lengths < 0
    return column if not absent.any() else column.to_frame().select(pl.when(~pl.Series(absent)).then(name)).to_series()


def _lacks_our_ids(plain: Plain) -> NDArray[np.int64]:
    no_campaign = plain.lengths[RECURRING.index("campaign_id")] < 0
    return np.flatnonzero(no_campaign | plain.absent[_INTEGERS.index("message_key")])


def _foreign(buffer: NDArray[np.uint8], plain: Plain, place: int, name: str, rows: NDArray[np.int64]) -> pl.Series:
    texts: list[str | None] = [None] * len(plain.plain)
    starts, lengths = plain.starts[place], plain.lengths[place]
    for row in rows.tolist():
        if lengths[row] >= 0:
            texts[row] = bytes(buffer[starts[row] : starts[row] + lengths[row]]).decode()
    return pl.Series(name, texts, pl.String)


def _general(frame: pl.DataFrame) -> pl.DataFrame:
    """The same columns from the general reader's."""
    ours = pl.col("campaign_id").is_not_null() & pl.col("message_key").is_not_null()
    receipts = [fingerprint(receipt) for receipt in frame["receipt_id"]]
    return frame.select(
        *(pl.col(name).cast(pl.Categorical) for name in RECURRING),
        *(pl.when(~ours).then(name).alias(name) for name in FOREIGN),
        pl.Series("receipt", receipts, pl.UInt32),
        *_INTEGERS,
    )
