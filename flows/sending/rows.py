"""The rows of the frozen audience that may be sent now: this process's share, in order, but for those who sleep."""

from collections import defaultdict
from collections.abc import Iterator

import polars as pl

from flows.sending.audience import ZONE, Frozen
from flows.sending.canary import Gate
from flows.sending.ledger import Ledger
from flows.sending.quiet_hours import allowed_at
from flows.sending.runs import Run
from schemas.settings import Slice

BATCH = 10_000


class Rows:
    """`begin` once it is known where the campaign stood; rows that the ledger knows of are left out."""

    def __init__(self, frozen: Frozen, run: Run, share: Slice, ledger: Ledger) -> None:
        self.gate = Gate(run.campaign.canary, frozen.rows)
        self.next = 0
        """The row that is read next: the source's own place, ahead of its checkpoint."""
        self._frozen = frozen
        self._run = run
        self._share = share
        self._ledger = ledger
        self._frames: Iterator[pl.DataFrame] = iter(())
        self._kept: pl.DataFrame | None = None
        """The rest of a row group, behind the canary's gate."""
        self._parked: dict[int, list[int]] = defaultdict(list)
        """By when they may be sent, rows that are in their quiet hours; for messages in the queue, see `Run.later`."""
        self._read_all = False

    def begin(self, low: int) -> None:
        self.next = low
        self._frames = self._frozen.batches(low)

    def take(self, now: float, now_ms: int) -> pl.DataFrame | None:
        """None where there are none for now, or no room for them."""
        if self._run.room() < BATCH // 2 or (self._run.paused and not self._run.cancelled):
            return None
        released = self._released(now_ms)
        if released is not None:
            return released
        if not self.gate.opens(self.next, self._run, now):
            return None
        frame = self._read()
        if frame is None:
            self._read_all = True
            return None
        self.next = int(frame["_seq"][-1]) + 1 if len(frame) else self.next
        return self._awake(self._mine(frame), now_ms)

    def parked(self) -> int:
        return sum(map(len, self._parked.values()))

    def exhausted(self) -> bool:
        return self._read_all and not self._parked

    def _read(self) -> pl.DataFrame | None:
        """No further than the canary's gate."""
        frame = self._kept if self._kept is not None else next(self._frames, None)
        self._kept = None
        if frame is None or frame.is_empty():
            return frame
        before = self.gate.cut(int(frame["_seq"][0]), int(frame["_seq"][-1]) + 1)
        if before:
            self._kept = frame.filter(pl.col("_seq") >= before)
            return frame.filter(pl.col("_seq") < before)
        return frame

    def _mine(self, frame: pl.DataFrame) -> pl.DataFrame:
        share = self._share
        if share.of > 1:
            frame = frame.filter(pl.col("_seq") % share.of == share.index)
        known = self._ledger.settled.union(doubt.seq for doubt in self._ledger.doubts())
        if not known or frame.is_empty():
            return frame
        first, last = int(frame["_seq"][0]), int(frame["_seq"][-1])
        here = [seq for seq in known if first <= seq <= last]
        return frame.filter(~pl.col("_seq").is_in(here)) if here else frame

    def _awake(self, frame: pl.DataFrame, now_ms: int) -> pl.DataFrame:
        """Without those in their quiet hours: a zone's rows are looked up once."""
        quiet = self._run.campaign.quiet_hours
        if quiet is None or self._run.cancelled:
            return frame
        for zone in frame[ZONE].unique().to_list():
            at = allowed_at(quiet, zone, now_ms)
            if at > now_ms:
                held = frame.filter(pl.col(ZONE) == zone)
                frame = frame.filter(pl.col(ZONE) != zone)
                self._parked[at] += held["_seq"].to_list()
        return frame

    def _released(self, now_ms: int) -> pl.DataFrame | None:
        """Some of those whose night is over."""
        at = next((at for at in self._parked if at <= now_ms or self._run.cancelled), None)
        if at is None:
            return None
        seqs = self._parked.pop(at)
        if len(seqs) > BATCH:
            self._parked[at] = seqs[BATCH:]
        return self._frozen.rows_at(seqs[:BATCH])
