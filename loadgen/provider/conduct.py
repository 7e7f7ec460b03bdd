"""How the simulator behaves: latency, limits, failures, outages; changed while it runs."""

import math
import random
from typing import Annotated, Literal

from msgspec import Meta, Struct

Share = Annotated[float, Meta(ge=0, le=1)]


class Conduct(Struct, kw_only=True):
    """Posted as JSON to `/_conduct`; fields left out stay as they are.

    `outage`: `refuse` answers 503, `hang` never answers, `drop` hangs up; after `outage_s` it is over (0: it lasts).
    `failures`: shares by the provider's own code, with PROVIDER/ before it for that provider alone. `swallow`: a share
    that is taken, and never answered.
    """

    latency_ms: Annotated[float, Meta(ge=0, le=600_000)] = 0.0
    spread: Annotated[float, Meta(ge=0, le=3)] = 0.0
    """Sigma of a lognormal latency around its median; 0: always the same."""
    number_per_s: Annotated[float, Meta(ge=0)] = 0.0
    """What each number takes; 0: anything."""
    failures: dict[str, Share] = {}
    swallow: Share = 0.0
    outage: Literal["", "refuse", "hang", "drop"] = ""
    outage_s: Annotated[float, Meta(ge=0)] = 0.0


class Behaviour:
    """Decides about each request; `now` in seconds."""

    def __init__(self, conduct: Conduct, seed: int) -> None:
        self.conduct = conduct
        self._random = random.Random(seed)
        self._buckets: dict[str, tuple[float, float]] = {}
        self._outage_ends = math.inf

    def change(self, conduct: Conduct, now: float) -> None:
        self.conduct = conduct
        self._outage_ends = now + conduct.outage_s if conduct.outage_s else math.inf

    def outage(self, now: float) -> str:
        return self.conduct.outage if now < self._outage_ends else ""

    def takes(self, number: str, now: float) -> bool:
        """A token bucket a fifth of a second deep."""
        rate = self.conduct.number_per_s
        if not rate:
            return True
        depth = max(rate * 0.2, 1.0)
        tokens, at = self._buckets.get(number, (depth, now))
        tokens = min(depth, tokens + (now - at) * rate)
        took = tokens >= 1
        self._buckets[number] = (tokens - took, now)
        return took

    def failure(self, provider: str) -> str:
        """The code to refuse with; empty to take it."""
        if not self.conduct.failures:
            return ""
        roll = self._random.random()
        for name, share in self.conduct.failures.items():
            of, _, code = name.rpartition("/")
            if of not in ("", provider):
                continue
            if roll < share:
                return code
            roll -= share
        return ""

    def swallows(self) -> bool:
        return self.conduct.swallow > 0 and self._random.random() < self.conduct.swallow

    def latency_s(self) -> float:
        median, spread = self.conduct.latency_ms / 1000, self.conduct.spread
        return median * math.exp(self._random.gauss(0, spread)) if spread else median
