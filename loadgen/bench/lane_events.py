"""Status events for a benchmark of the status flow: three for each message, and repeats of one in twenty."""

from collections.abc import Callable, Iterator

import numpy as np
import polars as pl
from numpy.typing import NDArray

from flows.topics import Producer
from schemas.statuses import Status
from schemas.topics import partition_column

CAMPAIGN = "bench"
STATUSES = (Status.SENT, Status.DELIVERED, Status.READ)
Keys = NDArray[np.int64]
EVENTS_PER_MESSAGE = len(STATUSES) * (1 + 1 / 20)
_CHUNK = 100_000
_REPEATED = 20
_SENT_PER_MS = 4
_MEAN_DELAY_MS = 600_000
_LONG = 100_000_000


def lane_topic(status: Status) -> str:
    return status.lane.topic


def write_lane_events(
    producer: Producer,
    messages: int,
    start_ms: int,
    events_per_record: int,
    topic_of: Callable[[Status], str] = lane_topic,
) -> int:
    """How many events were written, repeats among them, in the order that they came in; durable when it returns.

    An event has thirteen fields and some 365 bytes. A repeat has another receipt, so that only its id tells.
    """
    random = np.random.default_rng(1)
    written = 0
    for first in range(0, messages, _CHUNK):
        keys = np.arange(first, min(first + _CHUNK, messages))
        for status in STATUSES:
            frame = _events(keys, status, start_ms, random)
            repeats = frame.gather_every(_REPEATED).with_columns(receipt_id=pl.lit("again"))
            topic = topic_of(status)
            partitions = producer.partitions(topic)
            for partition, lines in _records(pl.concat([frame, repeats]), partitions, events_per_record):
                producer.append(topic, partition, lines)
            written += len(frame) + len(repeats)
    producer.flush()
    return written


def _events(keys: Keys, status: Status, start_ms: int, random: np.random.Generator) -> pl.DataFrame:
    sent_at = start_ms + keys // _SENT_PER_MS
    event_time = sent_at + random.exponential(_MEAN_DELAY_MS, len(keys)).astype(np.int64)
    frame = pl.DataFrame({"message_key": keys, "event_time": event_time, "sent_at": sent_at}).select(
        campaign_id=pl.lit(CAMPAIGN),
        message_key="message_key",
        attempt=pl.lit(1),
        status=pl.lit(status.value),
        raw_status=pl.lit(status.value),
        event_time="event_time",
        received_at=pl.col("event_time") + 300,
        sent_at="sent_at",
        channel=pl.lit("whatsapp"),
        provider=pl.Series(random.choice(["meta_whatsapp", "acme_sms"], len(keys))),
        provider_message_id=pl.format("wamid.HBgLMTY1MDM4Nzk0MzkVAgASGBQzQUFERjg0{}", _LONG + pl.col("message_key")),
        recipient=pl.format("4915{}", _LONG + pl.col("message_key")),
        receipt_id=pl.format("rcpt-{}", 100 * _LONG + pl.col("message_key") // 5),
    )
    return frame.sort("received_at")


def _records(frame: pl.DataFrame, partitions: int, events_per_record: int) -> Iterator[tuple[int, bytes]]:
    placed = frame.with_columns(place=partition_column(partitions))
    for (place,), part in placed.partition_by("place", as_dict=True, include_key=False).items():
        lines = part.write_ndjson().encode()
        ends = np.flatnonzero(np.frombuffer(lines, np.uint8) == ord("\n")) + 1
        start = 0
        for end in [*ends[events_per_record - 1 : -1 : events_per_record].tolist(), len(lines)]:
            yield int(place), lines[start:end]
            start = end
