"""What every step of making up a campaign needs at hand."""

from functools import cached_property

import numpy as np
import polars as pl
from numpy.typing import NDArray

from loadgen.chance import Chance, Flags, Floats, Ids
from loadgen.plan import Campaign, Plan


class Scene:
    """One campaign of a plan, with its chances and its providers' habits; `names` are each row's provider."""

    def __init__(self, plan: Plan, campaign: Campaign) -> None:
        self.plan = plan
        self.campaign = campaign
        self.chance = Chance(plan.seed, campaign.id)

    @cached_property
    def provider_type(self) -> pl.Enum:
        return pl.Enum([provider.name for provider in self.plan.mix])

    def share(self, field: str, names: pl.Series) -> Floats:
        """The number that the provider keeps in `field`."""
        return np.array([float(getattr(provider, field)) for provider in self.plan.mix])[self._places(names)]

    def happens(self, field: str, ids: Ids, names: pl.Series) -> Flags:
        """Whether what `field` gives the share of befalls `ids`."""
        return self.chance.happens(field, ids, self.share(field, names))

    def wait_ms(self, field: str, ids: Ids, names: pl.Series) -> Floats:
        """A wait by the provider's latency `field`."""
        latencies = [getattr(provider, field) for provider in self.plan.mix]
        p50_ms = np.array([latency.p50_ms for latency in latencies])[self._places(names)]
        p99_ms = np.array([latency.p99_ms for latency in latencies])[self._places(names)]
        return self.chance.wait_ms(field, ids, p50_ms, p99_ms) / self.plan.haste

    def word(self, field: str, drawn: Floats, names: pl.Series) -> pl.Series:
        """One of the words that the provider keeps in `field`, chosen by `drawn` (from 0, below 1)."""
        lists = [getattr(provider, field) for provider in self.plan.mix]
        sizes = np.array([len(words) for words in lists])
        firsts = np.cumsum(sizes) - sizes
        places = self._places(names)
        chosen = firsts[places] + (drawn * sizes[places]).astype(np.int64)
        return pl.Series([word for words in lists for word in words], dtype=pl.String).gather(chosen)

    def _places(self, names: pl.Series) -> NDArray[np.uint8]:
        return names.cast(self.provider_type).to_physical().to_numpy()
