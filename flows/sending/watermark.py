"""How far a campaign is settled without a hole: what the source's checkpoint moves over."""


class Watermark:
    """Of the messages `first`, `first + step`, …: `low` is the first whose outcome is not durable yet."""

    def __init__(self, low: int = 0, step: int = 1) -> None:
        self.low = low
        self._step = step
        self._above: set[int] = set()

    def confirm(self, seq: int) -> None:
        """Any order; a second time changes nothing."""
        if seq > self.low:
            self._above.add(seq)
        elif seq == self.low:
            self.low += self._step
            while self.low in self._above:
                self._above.remove(self.low)
                self.low += self._step

    def confirmed(self, seq: int) -> bool:
        return seq < self.low or seq in self._above

    def pending(self) -> int:
        """How many wait above for those below."""
        return len(self._above)
