"""The first share of a campaign goes alone: the rest waits for what becomes of it."""

import math

from flows.sending.runs import Run
from schemas.campaign import Canary, seconds


class Gate:
    """Shut behind the canary's rows until their outcomes are good and some time has passed."""

    def __init__(self, canary: Canary | None, rows: int) -> None:
        self._canary = canary
        self.rows = math.ceil(canary.share * rows) if canary else 0
        self._settled_at = 0.0
        self.verdict = ""
        """Why the campaign is to be paused, once that is known."""

    def cut(self, first: int, end: int) -> int:
        """The row before which rows from `first` up to `end` are to be cut; 0: nowhere."""
        return self.rows if self._canary is not None and first < self.rows < end else 0

    def opens(self, next_row: int, run: Run, now: float) -> bool:
        """Whether row `next_row` may be read."""
        canary = self._canary
        if canary is None or next_row < self.rows or run.cancelled:
            return True
        if run.watermark.low < min(self.rows, next_row) and run.open():
            return False
        self._settled_at = self._settled_at or now
        if now - self._settled_at < seconds(canary.wait):
            return False
        tried = run.counts.sent + run.counts.failed
        if run.counts.failed > canary.failures * max(tried, 1):
            self.verdict = f"{run.counts.failed} of the canary's {tried} failed; the limit is {canary.failures:.0%}"
            return False
        self._canary = None
        return True
