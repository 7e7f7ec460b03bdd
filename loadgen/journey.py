"""What befalls each attempt that a provider took: which statuses it reaches, and when."""

from collections.abc import Iterator

import numpy as np
import polars as pl

from loadgen.chance import Flags, Floats, Ids
from loadgen.scene import Scene
from schemas.statuses import STATUS_NUMBERS, Status
from schemas.times import HOUR_MS, MINUTE_MS, SECOND_MS

STATUS_TYPE = pl.Enum([status.value for status in Status])
COLUMNS = (
    "id", "campaign", "key", "attempt", "provider", "country", "status", "raw_status", "error_code",
    "event_time", "ready_at", "sent_at", "echoes", "tells_sent_at", "twin", "dead",
)  # fmt: skip
"""Of a status: `id` its own in the run; `raw_status` null where it is the status's own name; `ready_at` when the
provider can report it; `sent_at` always the attempt's; `twin`: told with two event times; `dead`: no believable time.
"""

FIRST, RETIMED, RECODED, SECOND, UNDATED = range(5)
"""What a row is among those of the same attempt and status: three bits of its id."""


def event_ids(attempt_ids: Ids, status: str, variant: int, campaign: int) -> Ids:
    """`attempt id << 10 | status number << 6 | variant << 3 | campaign number`."""
    return attempt_ids << np.uint64(10) | np.uint64(STATUS_NUMBERS[status] << 6 | variant << 3 | campaign)


class Journey:
    """The way of each handed-over attempt of `tried` (from `attempts`)."""

    def __init__(self, scene: Scene, tried: pl.DataFrame) -> None:
        self._scene = scene
        self._handed = tried.filter(pl.col("handed_at").is_not_null())
        self._ids: Ids = self._handed["id"].to_numpy()
        self._names = self._handed["provider"]
        self._from: Floats = self._handed["handed_at"].to_numpy().astype(np.float64)

    def statuses(self) -> pl.DataFrame:
        """Each status that is reached, in `COLUMNS`, with `event_time` to the millisecond and `ready_at` the same."""
        return pl.concat(self._reached()).with_columns(ready_at=pl.col("event_time"))

    def _reached(self) -> Iterator[pl.DataFrame]:
        sent_at = self._from + self._wait_ms("sends", 150, 3 * SECOND_MS)
        delivered_at = self._from + self._wait("delivers")
        failed_at = self._from + self._wait_ms("fails", 20 * SECOND_MS, 10 * MINUTE_MS)
        failed = self._happens("failed")
        recovered = failed & self._chances("recovers", 0.05)
        arrived = recovered | ~(failed | self._happens("silent"))
        yield self._rows(Status.SENT, self._happens("sent"), sent_at)
        yield self._rows(Status.DEFERRED, self._happens("deferred"), (self._from + delivered_at) / 2)
        yield self._rows(Status.FAILED, failed, failed_at)
        yield from self._unknown(sent_at)
        yield from self._arrived(arrived, np.where(recovered, failed_at + delivered_at - self._from, delivered_at))

    def _arrived(self, arrived: Flags, delivered_at: Floats) -> Iterator[pl.DataFrame]:
        read, clicked = arrived & self._happens("read"), arrived & self._happens("clicked")
        told = ~((read | clicked) & self._happens("read_only"))
        read_at = delivered_at + self._wait("reads")
        yield self._rows(Status.DELIVERED, arrived & told, delivered_at)
        yield self._rows(Status.READ, read, read_at)
        yield self._rows(Status.CLICKED, clicked, read_at + self._wait_ms("clicks", 20 * SECOND_MS, HOUR_MS))
        yield from self._annoyed(arrived, read_at)

    def _annoyed(self, arrived: Flags, read_at: Floats) -> Iterator[pl.DataFrame]:
        left, left_at = arrived & self._happens("unsubscribed"), read_at + self._wait_ms("leaves", MINUTE_MS, HOUR_MS)
        back, back_at = self._chances("comes back", 0.1), left_at + self._wait_ms("returns", MINUTE_MS, HOUR_MS)
        complained_at = read_at + self._wait_ms("complains", MINUTE_MS, HOUR_MS)
        yield self._rows(Status.COMPLAINED, arrived & self._happens("complained"), complained_at)
        yield self._rows(Status.UNSUBSCRIBED, left, left_at)
        yield self._rows(Status.RESUBSCRIBED, left & back, back_at)

    def _unknown(self, sent_at: Floats) -> Iterator[pl.DataFrame]:
        """A third of the attempts with a status that we don't know have two."""
        puzzling, again = self._chances("puzzles", 0.003), self._chances("puzzles again", 0.33)
        again_at = sent_at + self._wait_ms("puzzles later", MINUTE_MS, HOUR_MS)
        yield self._rows(Status.UNKNOWN, puzzling, sent_at + 500)
        yield self._rows(Status.UNKNOWN, puzzling & again, again_at, SECOND)

    def _rows(self, status: Status, happens: Flags, at: Floats, variant: int = FIRST) -> pl.DataFrame:
        number = self._scene.campaign.number
        rows = self._handed.with_columns(
            id=pl.Series(event_ids(self._ids, status.value, variant, number)),
            campaign=pl.lit(number, pl.UInt8),
            status=pl.lit(status.value, STATUS_TYPE),
            raw_status=self._raw_statuses(status, variant),
            error_code=self._error_codes(status),
            event_time=pl.Series(at).cast(pl.Int64),
            ready_at=pl.lit(0, pl.Int64),
            twin=pl.lit(False),
            dead=pl.lit(False),
        )
        return rows.filter(pl.Series(happens)).select(COLUMNS)

    def _raw_statuses(self, status: Status, variant: int) -> pl.Series | pl.Expr:
        if status is Status.UNKNOWN:
            which = np.full(len(self._ids), 0.5 if variant == SECOND else 0.0)
            return self._scene.word("unknown_statuses", which, self._names)
        if status is Status.READ:
            played = pl.Series(self._chances("plays", 0.02)) & (self._names == "meta_whatsapp")
            return pl.select(pl.when(played).then(pl.lit("played"))).to_series()
        return pl.lit(None, pl.String)

    def _error_codes(self, status: Status) -> pl.Series | pl.Expr:
        if status is Status.FAILED:
            return self._scene.word("failure_codes", self._scene.chance.uniform("code", self._ids), self._names)
        return pl.lit(None, pl.String)

    def _happens(self, field: str) -> Flags:
        return self._scene.happens(field, self._ids, self._names)

    def _chances(self, purpose: str, share: float) -> Flags:
        return self._scene.chance.happens(purpose, self._ids, share)

    def _wait(self, field: str) -> Floats:
        return self._scene.wait_ms(field, self._ids, self._names)

    def _wait_ms(self, purpose: str, p50_ms: float, p99_ms: float) -> Floats:
        return self._scene.chance.wait_ms(purpose, self._ids, p50_ms, p99_ms) / self._scene.plan.haste
