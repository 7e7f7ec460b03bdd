"""What a lane tells of the sampled rows that it landed.

Off, it costs a comparison a batch; on, 12 ns of CPU a row, and 80 µs (the SDK's) for each that is sampled.
"""

import time
from collections.abc import Callable, Iterator, Sequence

import numpy as np
import polars as pl
from numpy.typing import NDArray

from flows.writer import STATUS_EVENTS, Table
from sql.telemetry.sampling import Sampling
from sql.telemetry.traces import Kind, Step, Traces, harmless

MESSAGE = ("campaign_id", "message_key", "attempt", "status", "provider")
RECEIVED = "received_at"
NS_PER_MS = 1_000_000


def telling_landed(traces: Traces, lane: str) -> Callable[[Sequence[Table], int], None]:
    """For a lane's writer, of each batch: from its insert's begin until its rows are queryable.

    What the sender wrote itself follows its dispatch, all else the route of the webhook that it came by.
    """

    @harmless
    def tell(batch: Sequence[Table], began_ns: int) -> None:
        ended_ns = time.time_ns()
        for step, received_ms in landing(batch, traces.sampling):
            parent = step.id("route") if step.receipt else step.dispatch
            since_ms = max(0, ended_ns // NS_PER_MS - received_ms)
            traces.step("land", step, parent, began_ns, ended_ns, Kind.CLIENT, lane=lane, queryable_after_ms=since_ms)

    return tell


def landing(batch: Sequence[Table], sampling: Sampling) -> Iterator[tuple[Step, int]]:
    """The sampled among the rows that land, and when each was received, UTC ms."""
    tables = [table for table in batch if table.name == STATUS_EVENTS]
    if not tables:
        return
    frame = pl.concat([table.frame for table in tables])  # selected before, each of many parts costs 25 µs
    lands = np.concatenate([np.ones(len(t.frame), np.bool_) if t.lands is None else t.lands for t in tables])
    rows = sampled_rows(frame, sampling)
    sampled = frame[rows[lands[rows]]].select(*MESSAGE, "receipt", RECEIVED)
    for *message, receipt, received_ms in sampled.rows():
        yield Step._make((*message, receipt)), received_ms


def sampled_rows(frame: pl.DataFrame, sampling: Sampling) -> NDArray[np.intp]:
    """Where the sampled ones stand; campaigns are Categorical, with no nulls."""
    if frame.is_empty():
        return np.zeros(0, np.intp)
    distinct, codes = frame["campaign_id"].unique(), frame["campaign_id"].to_physical().to_numpy()
    known = distinct.to_physical().to_numpy()
    places = np.zeros(int(known.max()) + 1, np.int64)
    places[known] = np.arange(len(known))
    return sampling.rows(frame["message_key"].to_numpy(), distinct.to_list(), places[codes])
