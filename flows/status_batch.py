"""A batch of status events on its way: one frame, cut into parts by shard and hour for the dedup window."""

from collections.abc import Iterator
from typing import Any, NamedTuple, TypeAlias

import numpy as np
import polars as pl
from numpy.typing import NDArray

from flows.id_table import RECEIPT_BITS, Marks
from schemas.statuses import STATUS_NUMBERS, Status

Context: TypeAlias = tuple[str, int, str, str, str, str, int, bool]
"""All of an event's identity but the lower 32 bits of its key: campaign, attempt, status, error code, provider,
raw status (of `unknown` only), key >> 32, whether it says when the message was sent (only then it tells a latency)."""

STATUS_TYPE = pl.Enum(list(STATUS_NUMBERS))
_CONTEXT_COLUMNS = (
    "campaign_id",
    "attempt",
    "status",
    "error_code",
    "provider",
    "raw_status",
    "message_key",
    "sent_at",
)
_UNKNOWN = STATUS_NUMBERS[Status.UNKNOWN] - 1
_DIRECT_CODES = 1 << 20


def provider_of(context: Context) -> str:
    return context[4]


class Part(NamedTuple):
    """Rows of one shard and hour, with what the window asks of them."""

    shard: int
    bucket: int
    frame: pl.DataFrame
    low_keys: NDArray[np.uint64]
    marks: Marks
    context_of: NDArray[np.int64]
    contexts: list[Context]


def cut(frame: pl.DataFrame, shards: int, bucket_ms: int) -> Iterator[Part]:
    """A part for every shard and hour of event time in `frame`, rows in their order within each part.

    `frame` has the columns of a status event, validated, text as Categorical without nulls, status as STATUS_TYPE.
    """
    if frame.is_empty():
        return
    keys = frame["message_key"].to_numpy().astype(np.uint64)
    times = frame["event_time"].to_numpy()
    buckets = times // bucket_ms
    codes = (buckets - buckets.min()) * shards + (keys % np.uint64(shards)).astype(np.int64)
    order = np.argsort(codes, kind="stable")
    ends = np.flatnonzero(np.diff(codes[order], append=-1)) + 1
    context_of, contexts = _contexts(frame)
    marks = _marks(frame, times % bucket_ms)

    frame, keys, marks, context_of, buckets = frame[order], keys[order], marks[order], context_of[order], buckets[order]
    low_keys = keys & np.uint64(0xFFFFFFFF)
    start = 0
    for end in ends.tolist():
        run = slice(start, end)
        shard, bucket = int(keys[start] % np.uint64(shards)), int(buckets[start])
        yield Part(shard, bucket, frame[run], low_keys[run], marks[run], context_of[run], contexts)
        start = end


def _marks(frame: pl.DataFrame, into_bucket_ms: NDArray[np.int64]) -> Marks:
    """See `IdTable`: the receipt's bits only tell replays from repeats, so that any hash will do."""
    receipts = frame["receipt"].to_numpy() & np.uint32((1 << RECEIPT_BITS) - 1)
    return (into_bucket_ms.astype(np.uint32) << np.uint32(RECEIPT_BITS)) | receipts


def _contexts(frame: pl.DataFrame) -> tuple[NDArray[np.int64], list[Context]]:
    """For each row the index of its context, and the contexts; exact, since codes are combined and not hashed."""
    codes, highest = np.zeros(len(frame), np.int64), 1
    for values in _identity(frame):
        lowest, span = int(values.min()), int(values.max()) - int(values.min()) + 1
        if span == 1:
            continue
        if highest * span >= 1 << 62:
            codes, highest = _dense(codes)
        codes, highest = codes * span + (values.astype(np.int64) - lowest), highest * span
    context_of, first_rows = _indexed(codes, highest)
    return context_of, [_context(*row) for row in frame.select(_CONTEXT_COLUMNS)[first_rows].iter_rows()]


def _identity(frame: pl.DataFrame) -> Iterator[NDArray[Any]]:
    """The columns of the context as numbers."""
    for name in ("campaign_id", "attempt", "status", "error_code", "provider"):
        yield frame[name].to_physical().to_numpy()
    unknown = frame["status"].to_physical().to_numpy() == _UNKNOWN
    yield np.where(unknown, frame["raw_status"].to_physical().to_numpy(), 0)
    yield frame["message_key"].to_numpy() >> 32
    yield frame["sent_at"].is_not_null().to_numpy()


def _dense(codes: NDArray[np.int64]) -> tuple[NDArray[np.int64], int]:
    distinct, dense = np.unique(codes, return_inverse=True)
    return dense.astype(np.int64), len(distinct)


def _indexed(codes: NDArray[np.int64], highest: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """For each code its index among the distinct ones, and for each distinct one a row that has it."""
    if highest > _DIRECT_CODES:
        codes, highest = _dense(codes)
    row_of_code = np.full(highest, -1, np.int64)
    row_of_code[codes] = np.arange(len(codes))
    present = np.flatnonzero(row_of_code >= 0)
    index_of_code = np.zeros(highest, np.int64)
    index_of_code[present] = np.arange(len(present))
    return index_of_code[codes], row_of_code[present]


def _context(
    campaign: str,
    attempt: int,
    status: str,
    error_code: str,
    provider: str,
    raw_status: str,
    key: int,
    sent_at: int | None,
) -> Context:
    raw = raw_status if status == Status.UNKNOWN else ""
    return campaign, attempt, status, error_code, provider, raw, key >> 32, sent_at is not None
