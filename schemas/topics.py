"""Topic names, and the partition that an event belongs to."""

import zlib
from functools import lru_cache

import polars as pl

from schemas.statuses import Lane

OUTBOUND = "outbound"
WEBHOOK = "webhook"
DLQ_WEBHOOK = "dlq.webhook"
DLQ_STATUS = "dlq.status"
DLQ_SEND = "dlq.send"
SEND_CONTROL = "send.control"
SEND_SUPPRESSIONS = "send.suppressions"
STATUS_TOPICS = tuple(lane.topic for lane in Lane)
TOPICS = (OUTBOUND, WEBHOOK, *STATUS_TOPICS, DLQ_WEBHOOK, DLQ_STATUS, DLQ_SEND, SEND_CONTROL, SEND_SUPPRESSIONS)

MAX_LINES_PER_RECORD = 2_000
"""A record's lines are numbered within 11 bits of a place (`flows.topics`), so none holds more."""


def partition_of(name: str, number: int, partitions: int) -> int:
    """The partition of message `number` of campaign `name`; the CRC-32 (ISO 3309) of a provider's name and id with 0.

    All statuses of a message meet in one partition, so one process sees its repeats; neighbours spread evenly.
    """
    return (_crc32(name) + number) % partitions


@lru_cache(maxsize=1024)
def _crc32(name: str) -> int:
    """A sender asks for the same few campaigns all the time."""
    return zlib.crc32(name.encode())


def partition_column(partitions: int) -> pl.Expr:
    """`partition_of` for frames with the columns of a status event or an outbound record; UInt32."""
    own = pl.col("campaign_id").is_not_null() & pl.col("message_key").is_not_null()
    provider_and_id = [pl.col(name).fill_null("") for name in ("provider", "provider_message_id")]
    name = pl.when(own).then(pl.col("campaign_id")).otherwise(pl.concat_str(provider_and_id, separator="\0"))
    number = pl.when(own).then(pl.col("message_key")).otherwise(0)
    crc = name.map_batches(_crc32_column, return_dtype=pl.Int64)
    return ((crc % partitions + number % partitions) % partitions).cast(pl.UInt32)


def _crc32_column(names: pl.Series) -> pl.Series:
    """A campaign's name recurs in every row: each distinct one is hashed once."""
    distinct = names.unique()
    crcs = pl.Series([zlib.crc32(name.encode()) for name in distinct], dtype=pl.Int64)
    return names.replace_strict(distinct, crcs, return_dtype=pl.Int64)
