"""How far did the messages get? Counts and rates against the cohort sent."""

from pydantic import BaseModel, Field

from api.context import Context


class Funnel(BaseModel):
    """Messages that reached each stage; each counts once, whatever was repeated or retried. DESIGN: the figures."""

    sent: int = Field(description="Taken by a provider: the cohort of all rates", examples=[194_020])
    delivered: int = Field(description="Reported delivered", examples=[176_310])
    delivered_inferred: int = Field(description="Read or clicked without a report of delivery", examples=[5_102])
    read: int = Field(examples=[70_500])
    clicked: int = Field(description="Messages, not clicks", examples=[6_120])
    failed: int = Field(description="Failed, and neither delivered nor read nor clicked", examples=[5_900])
    failed_ever: int = Field(description="Any attempt failed", examples=[8_210])
    rejected: int = Field(description="Refused by the provider before it took the message", examples=[820])
    complained: int = Field(examples=[31])
    unsubscribed: int = Field(examples=[412])
    retried: int = Field(description="Tried more than once", examples=[5_620])


class Rates(BaseModel):
    """Shares of the cohort sent, from 0 to 1; null while nothing is sent."""

    delivered: float | None = Field(examples=[0.9087])
    delivered_with_inferred: float | None = Field(examples=[0.935])
    read: float | None = Field(examples=[0.3634])
    clicked: float | None = Field(examples=[0.0315])
    clicked_of_read: float | None = Field(examples=[0.0868])
    failed: float | None = Field(examples=[0.0304])
    complained: float | None = Field(examples=[0.0002])
    unsubscribed: float | None = Field(examples=[0.0021])


class Attempts(BaseModel):
    """What trying again brought. A message arrived when it was delivered, read or clicked."""

    first_sent: int = Field(description="Messages tried once", examples=[188_400])
    first_arrived: int = Field(examples=[180_100])
    retried_sent: int = Field(description="Messages tried again", examples=[5_620])
    retried_arrived: int = Field(examples=[1_312])
    arrived_only_by_retry: int = Field(examples=[1_204])


def read_funnel(context: Context, campaign_id: str) -> Funnel:
    return Funnel(**context.rows("funnel", campaign_id=campaign_id)[0])


def read_attempts(context: Context, campaign_id: str) -> Attempts:
    return Attempts(**context.rows("attempts", campaign_id=campaign_id)[0])


def share(part: int | float, whole: int | float) -> float | None:
    return round(part / whole, 6) if whole else None


def rates_of(funnel: Funnel) -> Rates:
    return Rates(
        delivered=share(funnel.delivered, funnel.sent),
        delivered_with_inferred=share(funnel.delivered + funnel.delivered_inferred, funnel.sent),
        read=share(funnel.read, funnel.sent),
        clicked=share(funnel.clicked, funnel.sent),
        clicked_of_read=share(funnel.clicked, funnel.read),
        failed=share(funnel.failed, funnel.sent),
        complained=share(funnel.complained, funnel.sent),
        unsubscribed=share(funnel.unsubscribed, funnel.sent),
    )
