"""A circuit breaker by failure rate, and by failures in a row, one for each provider and number.

closed ─ many of the last seconds' answers ailed ─▶ open ─ a while ─▶ half open ─ probes go well ─▶ closed
                                                     ▲                    └─ one ails: a longer while ─┐
                                                     └─────────────────────────────────────────────────┘
"""

from collections import deque

LEAST_ANSWERS = 20
OPENS_AT = 0.5
IN_A_ROW = 50
"""By the rate alone it took as long to see an outage as all went well before: 1,500 refusals at 500 a second."""
WINDOW_S = 10.0
FIRST_PAUSE_S = 2.0
LONGEST_PAUSE_S = 60.0
PROBES = 3


class Breaker:
    """`now` is a monotonic clock's, in seconds."""

    def __init__(self) -> None:
        self._answers: deque[tuple[int, int, int]] = deque()
        """Whole second, answers, of which ailed."""
        self._opened_at = 0.0
        self._pause_s = 0.0
        self._probes = 0
        self._passed = 0
        self._in_a_row = 0
        self.state = "closed"

    def room(self, now: float) -> int | None:
        """How many may go; None: any number."""
        if self.state == "closed":
            return None
        if self.state == "open" and now - self._opened_at >= self._pause_s:
            self.state, self._probes, self._passed = "half_open", 0, 0
        return PROBES - self._probes if self.state == "half_open" else 0

    def sent(self, count: int) -> None:
        if self.state == "half_open":
            self._probes += count

    def answered(self, ailed: bool, now: float) -> None:
        if self.state == "half_open":
            self._probed(ailed, now)
        elif self.state == "closed":
            self._count(ailed, now)

    def _probed(self, ailed: bool, now: float) -> None:
        if ailed:
            self._open(now, min(self._pause_s * 2, LONGEST_PAUSE_S))
            return
        self._passed += 1
        if self._passed >= PROBES:
            self.state = "closed"
            self._answers.clear()

    def _count(self, ailed: bool, now: float) -> None:
        second = int(now)
        if self._answers and self._answers[-1][0] == second:
            _, answers, ailing = self._answers[-1]
            self._answers[-1] = second, answers + 1, ailing + ailed
        else:
            self._answers.append((second, 1, int(ailed)))
            while self._answers[0][0] < now - WINDOW_S:
                self._answers.popleft()
        self._in_a_row = self._in_a_row + 1 if ailed else 0
        if not ailed:
            return
        answers = sum(count for _, count, _ in self._answers)
        ailing = sum(count for _, _, count in self._answers)
        if self._in_a_row >= IN_A_ROW or (answers >= LEAST_ANSWERS and ailing >= OPENS_AT * answers):
            self._open(now, FIRST_PAUSE_S)

    def _open(self, now: float, pause_s: float) -> None:
        self.state, self._opened_at, self._pause_s, self._in_a_row = "open", now, pause_s, 0
        self._answers.clear()
