"""What did the campaign cost, by the price of a message to each country?"""

from pydantic import AwareDatetime, BaseModel, Field

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
    per_message: float | None = Field(examples=[0.092671])
    per_delivered: float | None = Field(examples=[0.101982])
    complete: bool = Field(examples=[True])
    countries: list[CountryCost]
    counted_at: AwareDatetime | None = Field(
        None,
        description="Countries of a large campaign are counted in the background, then; null: counted now",
        examples=["2026-11-20T18:30:00Z"],
    )


def price_of(plan: Plan, country: str) -> float | None:
    """Of one message there."""
    return plan.prices.get(country, plan.prices.get(OTHERS))


def read_cost(context: Context, plan: Plan) -> Cost:
    countries, sent, delivered = [], 0, 0
    split = read_split(context, plan.campaign_id, "country")
    for row in split.rows:
        price = price_of(plan, row.value)
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
        counted_at=split.counted_at,
    )
