"""What a campaign was planned to be: its `campaign` record."""

from pydantic import AwareDatetime, BaseModel, Field

from api.context import Context
from api.problems import Refusal


class Plan(BaseModel):
    """The campaign's latest plan; a campaign that only statuses tell of has its id for a name and no audience."""

    campaign_id: str = Field(examples=["autumn-sale"])
    name: str = Field(examples=["Autumn sale"])
    channel: str = Field(examples=["whatsapp"])
    audience: int | None = Field(description="Messages planned", examples=[200_000])
    frozen_at: AwareDatetime | None = Field(None, examples=["2026-11-20T18:00:00Z"])
    limit_per_s: float | None = Field(None, description="Messages a second that it may be sent at", examples=[1_307.2])
    sla_p95_ms: int | None = Field(None, description="Promise: 95 % delivered within this time", examples=[10_000])
    prices: dict[str, float] = Field(
        default_factory=dict,
        description="Cost of a message by country, '' for others",
        examples=[{"NL": 0.13, "": 0.08}],
    )


def read_plan(context: Context, campaign_id: str) -> Plan:
    """Raises Refusal 404 for a campaign that nothing is known of."""
    rows = context.rows("campaign", campaign_id=campaign_id)
    if rows:
        prices = zip(rows[0].pop("price_countries"), rows[0].pop("price_values"), strict=True)
        return Plan(**rows[0], prices=dict(prices))
    if context.rows("campaign_known", campaign_id=campaign_id)[0]["known"]:
        return Plan(campaign_id=campaign_id, name=campaign_id, channel="", audience=None)
    raise Refusal(404, "No such campaign", campaign_id)
