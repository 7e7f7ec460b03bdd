"""A campaign as it runs in this process: its ways out, its numbers, what waits where, and what became of it."""

import heapq
from collections import Counter, deque
from typing import Literal, NamedTuple

from flows.connectors.kind import Kind
from flows.sending.breaker import Breaker
from flows.sending.decisions import Policy
from flows.sending.ledger import Doubt
from flows.sending.limits import Limit
from flows.sending.message import Message
from flows.sending.outgoing import Connector
from flows.sending.stop_rules import FailureRate
from flows.sending.templates import Renderer
from flows.sending.watermark import Watermark
from schemas.campaign import Campaign, Route, seconds

QUEUE = 20_000
"""Rendered messages that wait; the producer is stopped by this bound, never by the provider."""
LOOKS_AFTER_S = 2.0
"""What was handed over as the process died may still be on its way."""
_MOST_WAITS = 200_000

Told = Literal["sent", "lost"]


class Number:
    """A sender number: its limit and breaker are shared by all campaigns that use it."""

    def __init__(self, name: str, path: list[Limit], breaker: Breaker) -> None:
        self.name = name
        self.path = path
        """From the widest limit to the narrowest: overall, provider, number, campaign."""
        self.own = path[2]
        self.breaker = breaker
        self.ready: deque[Message] = deque()
        self.staged = 0
        """Ready, or waiting for their intent to become durable."""


class Way(NamedTuple):
    """A route of the campaign with what it takes to go it."""

    route: Route
    kind: Kind
    reported: str
    """The provider's name in records."""
    connector: Connector
    renderer: Renderer
    numbers: list[Number]
    pending: deque[Message]
    """For this way and no other: fallen back, or without another address while this one is out."""

    def out(self, now: float) -> bool:
        """Whether no number of it is to be used."""
        return all(number.breaker.state == "open" and number.breaker.room(now) == 0 for number in self.numbers)


class Later(NamedTuple):
    """A message whose time has not come; monotonic seconds."""

    due: float
    order: int
    message: Message


class Counts:
    """What became of how many; `handed` counts requests, the rest messages."""

    def __init__(self) -> None:
        self.sent = 0
        self.failed = 0
        self.handed = 0
        self.retried = 0
        self.settled_sent = 0
        self.settled_lost = 0
        self.fell_back = 0
        self.repeated = 0
        self.screened: Counter[str] = Counter()
        self.errors: Counter[str] = Counter()


class Run:
    """Owned by the dispatcher's loop, but for `queue` and `put`, which the flow's thread adds to."""

    def __init__(
        self, campaign: Campaign, ways: list[Way], audience: int, deadline_ms: int, step: int, first: int
    ) -> None:
        self.campaign = campaign
        self.ways = ways
        self.audience = audience
        """Rows of this process's share."""
        self.seqs = range(first, first + audience * step, step)
        self.deadline_ms = deadline_ms
        """After it nothing is sent; 0: never."""
        self.watermark = Watermark(first, step)
        self.queue: deque[Message] = deque()
        self.put = 0
        self.confirmed = 0
        self.again = 0
        """How many were reopened: settled before, and open once more."""
        self.exhausted = False
        self.later: list[list[Later]] = [[] for _ in ways]
        """By way, heaps."""
        self._orders = 0
        self.in_flight = 0
        self.looking_up = 0
        self.doubts: dict[int, Doubt] = {}
        self.reopened: dict[int, int] = {}
        """By message that was settled, the attempt as which a person had it sent again, until that is settled too."""
        self.given_up: dict[int, int] = {}
        """The attempt that was refused for good: a record that calls just that one lost is a person's replay."""
        self.repeating: set[int] = set()
        """Those in doubt that are handed over again."""
        self.told: dict[int, dict[int, Told]] = {}
        """By open message and attempt, what statuses and people say of it: should the answer get lost, that holds."""
        self.counts = Counts()
        self.failures = FailureRate(campaign.stop)
        self.paused = ""
        self.cancelled = False
        self.waits: deque[float] = deque(maxlen=_MOST_WAITS)
        """Seconds in the queue of those handed over lately."""
        self.turn = 0
        retry = campaign.retry
        falls_back = campaign.fallback is not None and "rejected" in campaign.fallback.when
        self.policies = [
            Policy(
                retry.attempts,
                seconds(retry.within),
                seconds(retry.first_wait),
                seconds(retry.longest_wait),
                falls_back and way == 0,
            )
            for way in range(len(ways))
        ]

    @property
    def id(self) -> str:
        return self.campaign.id

    def room(self) -> int:
        """How many more may be put."""
        return QUEUE - len(self.queue) - self.waiting()

    def waiting(self) -> int:
        """Those whose time has not come, and those that fell back."""
        return sum(map(len, self.later)) + sum(len(way.pending) for way in self.ways)

    def open(self) -> int:
        """Put, and not settled yet."""
        return self.put + self.again - self.confirmed

    def done(self) -> bool:
        return self.exhausted and self.open() == 0

    def tell(self, seq: int, attempt: int, outcome: Told) -> None:
        """Kept until the message is settled; that it was sent outweighs that it got lost."""
        if seq in self.seqs and (seq in self.reopened or not self.watermark.confirmed(seq)):
            told = self.told.setdefault(seq, {})
            if told.get(attempt) != "sent":
                told[attempt] = outcome

    def told_of(self, message: Message) -> Told | None:
        return self.told.get(message.seq, {}).get(message.attempt)

    def put_off(self, message: Message, due: float) -> None:
        self._orders += 1
        heapq.heappush(self.later[message.route], Later(due, self._orders, message))

    def due(self, way: int, now: float) -> Message | None:
        """A message of this way whose time has come."""
        later = self.later[way]
        return heapq.heappop(later).message if later and later[0].due <= now else None

    def staged(self) -> int:
        return sum(number.staged for way in self.ways for number in way.numbers)
