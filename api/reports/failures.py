"""Why did messages fail, in plain words, and who acts?"""

from typing import Any

from pydantic import BaseModel, Field

from api.context import Context
from api.reports.reasons import Reason, reason_of


class Failing(BaseModel):
    """Messages that failed for one reason. A message counts under each reason that it failed for."""

    provider: str = Field(examples=["meta_whatsapp"])
    error_code: str = Field(examples=["131026"])
    messages: int = Field(description="Failed for this reason at least once", examples=[3_804])
    meaning: str = Field(examples=["Number not on WhatsApp, or it takes no messages"])
    owner: str = Field(description="Who acts", examples=["Data team"])
    action: str = Field(examples=["removes these numbers from the audience"])
    known: bool = Field(description="False: the code is in nobody's list yet", examples=[True])


class Failure(Failing):
    lost: int = Field(description="Of these: nothing better is known", examples=[3_100])


class Failures(BaseModel):
    total: int = Field(
        description="Messages that failed at least once: the union, not the sum of the rows", examples=[8_210]
    )
    lost: int = Field(description="Failed, and nothing better is known", examples=[5_900])
    rows: list[Failure]


def read_failures(context: Context, campaign_id: str) -> list[Failure]:
    """Most messages first."""
    rows = context.rows("failures", campaign_id=campaign_id)
    return [Failure(**_in_words(row), lost=row["lost"]) for row in rows]


def read_reasons(context: Context, campaign_id: str) -> list[Failing]:
    """The same without what is lost of them, in a quarter of the time."""
    return [Failing(**_in_words(row)) for row in context.rows("reasons", campaign_id=campaign_id)]


def _in_words(row: dict[str, Any]) -> dict[str, Any]:
    reason: Reason = reason_of(row["provider"], row["error_code"])
    told = {name: row[name] for name in ("provider", "error_code", "messages")}
    return told | {name: getattr(reason, name) for name in ("meaning", "owner", "action", "known")}
