"""What messages cost, together and by provider: of the campaigns with a price list that gave a sign of life today."""

import time
from typing import NamedTuple

from api.context import Context
from api.live.counted import read_counted
from api.reports.cost import price_of, read_cost
from api.reports.plan import Plan, read_plan
from schemas.times import DAY_MS

_EVERY_S = 60.0
_MOST_CAMPAIGNS = 5


class Spent(NamedTuple):
    """`messages`: those that have a price."""

    cost: float = 0.0
    messages: int = 0

    def and_(self, cost: float, messages: int) -> "Spent":
        return Spent(self.cost + cost, self.messages + messages)

    @property
    def each(self) -> float | None:
        return round(self.cost / self.messages, 6) if self.messages else None


class Costs:
    """Read once a minute. A message that was tried at two providers costs at both, and once in `together`."""

    def __init__(self) -> None:
        self.together = Spent()
        self.by_provider: dict[str, Spent] = {}
        self._read_at = -_EVERY_S

    def refresh(self, context: Context, now_ms: int) -> None:
        if time.monotonic() - self._read_at < _EVERY_S:
            return
        together, by_provider = Spent(), dict[str, Spent]()
        for row in context.rows("campaign_activity", since=now_ms - DAY_MS)[:_MOST_CAMPAIGNS]:
            rows = context.rows("campaign", campaign_id=row["campaign_id"])
            if not rows or not rows[0]["price_countries"]:
                continue
            plan = read_plan(context, row["campaign_id"])
            cost = read_cost(context, plan)
            priced = sum(line.messages for line in cost.countries if line.price is not None)
            together = together.and_(cost.total, priced)
            for provider, spent in _providers(context, plan).items():
                by_provider[provider] = by_provider.get(provider, Spent()).and_(*spent)
        self.together, self.by_provider, self._read_at = together, by_provider, time.monotonic()


def _providers(context: Context, plan: Plan) -> dict[str, Spent]:
    """Of one campaign; of a large one as counted last."""
    rows = read_counted(context, plan.campaign_id).answers.get("provider_countries")
    if rows is None:
        rows = context.rows("provider_countries", campaign_id=plan.campaign_id)
    found: dict[str, Spent] = {}
    for row in rows:
        price = price_of(plan, row["country"])
        if price is not None:
            found[row["provider"]] = found.get(row["provider"], Spent()).and_(price * row["sent"], row["sent"])
    return found
