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
    complained: int
    unsubscribed: int
    retried: int = Field(description="Tried more than once")


class Rates(BaseModel):
    """Shares of the cohort sent, from 0 to 1; null while nothing is sent."""

    delivered: float | None = Field(examples=[0.9087])
    delivered_with_inferred: float | None
    read: float | None
    clicked: float | None
    clicked_of_read: float | None
    failed: float | None
    complained: float | None
    unsubscribed: float | None


class Attempts(BaseModel):
    """What trying again brought. A message arrived when it was delivered, read or clicked."""

    first_sent: int = Field(description="Messages tried once")
    first_arrived: int
    retried_sent: int = Field(description="Messages tried again")
    retried_arrived: int
    arrived_only_by_retry: int


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
