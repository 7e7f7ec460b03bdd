"""What all parts of the dispatcher share: clocks, the ledger, limits by name, orders, suppressions."""

import asyncio
import logging
import random
import time
from collections.abc import Callable, Iterable

from flows.sending.breaker import Breaker
from flows.sending.control import Order, Orders, encode_order
from flows.sending.ledger_writer import LedgerWriter, Line
from flows.sending.limits import Limit
from flows.sending.message import Message
from flows.sending.runs import Run
from flows.sending.suppression import Change, Suppressions, encode_change
from schemas.events import DeadLetter
from schemas.outbound import Outbound
from schemas.times import wall_clock
from schemas.topics import SEND_CONTROL, SEND_SUPPRESSIONS

log = logging.getLogger(__name__)

_FORGETS = 0.98
"""Each time."""


Settled = tuple[Run, int, int]
"""Message and attempt."""


class Desk:
    """Used in the dispatcher's loop; `write` and `confirm_written` also elsewhere."""

    def __init__(
        self, ledger: LedgerWriter, suppressions: Suppressions, senders: int = 1, seed: int | None = None
    ) -> None:
        self._senders = senders
        self.ledger = ledger
        self.suppressions = suppressions
        self.orders = Orders()
        self.limits: dict[str, Limit] = {}
        self.breakers: dict[str, Breaker] = {}
        self.chance = random.Random(seed).random
        self.loop: asyncio.AbstractEventLoop | None = None
        self.ledger_s = 0.002
        """How long the ledger took lately to make something durable, its slow moments above all."""
        self.ordered: Callable[[Order], None] = lambda _: None
        """Told of orders that this process gives itself."""
        self._lines: list[Line] = []
        self._settled: list[Settled] = []

    @staticmethod
    def now() -> float:
        return time.monotonic()

    @staticmethod
    def now_ms() -> int:
        return wall_clock()

    def limit(self, name: str, per_s: float | None, of: int | None = None) -> Limit:
        """The one of this name, shared by so many processes; the least rate that a campaign names for it holds."""
        known = self.limits.get(name)
        if known is None:
            known = self.limits[name] = Limit(per_s, self.now(), of or self._senders)
        elif per_s is not None and (known.per_s is None or per_s < known.per_s):
            known.set_rate(per_s, self.now())
        return known

    def breaker(self, name: str) -> Breaker:
        return self.breakers.setdefault(name, Breaker())

    def note(self, record: Outbound) -> None:
        """Into the ledger, with the next `flush`."""
        self._lines.append(self.ledger.line(record))

    def letter(self, letter: DeadLetter) -> None:
        self._lines.append(self.ledger.letter(letter))

    def settle(self, run: Run, message: Message) -> None:
        """This attempt was the last one, once what was noted is durable."""
        self._settled.append((run, message.seq, message.attempt))

    def order(self, order: Order) -> None:
        """Holds here at once, and everywhere soon."""
        self.orders.take(order)
        self._lines.append((SEND_CONTROL, 0, encode_order(order)))
        self.ordered(order)

    def suppress(self, change: Change) -> None:
        self.suppressions.take(change)
        self._lines.append((SEND_SUPPRESSIONS, 0, encode_change(change)))

    def flush(self) -> None:
        """Hand what was noted to the ledger's thread."""
        if not self._lines and not self._settled:
            return
        lines, self._lines = self._lines, []
        settled, self._settled = self._settled, []
        self.ledger.put(lines, self._then(lambda: confirm(settled)) if settled else None)

    def stage(self, records: Iterable[Outbound], then: Callable[[], None]) -> None:
        """Write now; `then` is called in the loop once they are durable."""
        began = self.now()

        def durable() -> None:
            self.ledger_s = max(self.now() - began, self.ledger_s * _FORGETS)
            then()

        self.ledger.put([self.ledger.line(record) for record in records], self._then(durable))

    def _then(self, call: Callable[[], None]) -> Callable[[], None]:
        loop = self.loop
        assert loop is not None

        def tell() -> None:
            if not loop.is_closed():
                loop.call_soon_threadsafe(call)

        return tell

    def screened(self, run: Run, records: list[Outbound], seqs: list[int]) -> None:
        """From the flow's thread: messages that never reach the queue."""
        settled = [(run, seq, 1) for seq in seqs]
        self.ledger.put([self.ledger.line(record) for record in records], self._then(lambda: confirm(settled)))


def confirm(settled: list[Settled]) -> None:
    for run, seq, attempt in settled:
        run.watermark.confirm(seq)
        run.confirmed += 1
        run.told.pop(seq, None)
        if run.reopened.get(seq, attempt + 1) <= attempt:  # else a person reopened it just now
            del run.reopened[seq]
