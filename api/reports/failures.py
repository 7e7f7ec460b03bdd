"""Why did messages fail, in plain words, and who acts?"""

from pydantic import BaseModel, Field

from api.context import Context
from api.reports.reasons import Reason, reason_of


class Failure(BaseModel):
    """Messages that failed for one reason. A message counts under each reason that it failed for."""

    provider: str = Field(examples=["meta_whatsapp"])
    error_code: str = Field(examples=["131026"])
    messages: int = Field(description="Failed for this reason at least once", examples=[3_804])
    lost: int = Field(description="Of these: nothing better is known", examples=[3_100])
    meaning: str = Field(examples=["Number not on WhatsApp, or it takes no messages"])
    owner: str = Field(description="Who acts", examples=["Data team"])
    action: str = Field(examples=["removes these numbers from the audience"])
    known: bool = Field(description="False: the code is in nobody's list yet")


class Failures(BaseModel):
    total: int = Field(description="Messages that failed at least once: the union, not the sum of the rows")
    lost: int = Field(description="Failed, and nothing better is known")
    rows: list[Failure]


def read_failures(context: Context, campaign_id: str) -> list[Failure]:
    """Most messages first."""
    return [_failure(**row) for row in context.rows("failures", campaign_id=campaign_id)]


def _failure(provider: str, error_code: str, messages: int, lost: int) -> Failure:
    reason: Reason = reason_of(provider, error_code)
    return Failure(
        provider=provider,
        error_code=error_code,
        messages=messages,
        lost=lost,
        meaning=reason.meaning,
        owner=reason.owner,
        action=reason.action,
        known=reason.known,
    )
