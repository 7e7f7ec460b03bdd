"""What did the campaign cost, by the price of a message to each country?"""

from pydantic import BaseModel, Field

from api.context import Context
from api.reports.plan import Plan
from api.reports.splits import read_split

OTHERS = ""
"""The country that stands for all without a price of their own."""


class CountryCost(BaseModel):
    country: str = Field(examples=["NL"])
    messages: int = Field(description="Sent", examples=[41_000])
    price: float | None = Field(description="Of one message; null: the plan names none", examples=[0.11])
    cost: float | None = Field(examples=[4_510.0])


class Cost(BaseModel):
    """In the currency of the plan's price table. `complete` false: a country has no price."""

    total: float = Field(examples=[17_980.4])
    per_message: float | None
    per_delivered: float | None
    complete: bool
    countries: list[CountryCost]


def read_cost(context: Context, plan: Plan) -> Cost:
    countries, sent, delivered = [], 0, 0
    for row in read_split(context, plan.campaign_id, "country").rows:
        price = plan.prices.get(row.value, plan.prices.get(OTHERS))
        cost = None if price is None else round(price * row.sent, 4)
        countries.append(CountryCost(country=row.value, messages=row.sent, price=price, cost=cost))
        sent, delivered = sent + row.sent, delivered + row.delivered
    total = round(sum(country.cost or 0 for country in countries), 4)
    return Cost(
        total=total,
        per_message=round(total / sent, 6) if sent else None,
        per_delivered=round(total / delivered, 6) if delivered else None,
        complete=all(country.price is not None for country in countries),
        countries=countries,
    )
