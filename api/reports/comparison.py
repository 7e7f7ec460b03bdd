"""How do earlier campaigns compare, at the same age?

The share of messages that had reached a status so long after sending, of each earlier campaign, weighted by how old the
messages of this one are: so a young cohort is compared with what was usual for one as young.
"""

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray
from pydantic import BaseModel, Field

from api.context import Context
from api.reports.latency import Cells, read_cells
from api.reports.plan import Plan
from schemas.times import DAY_MS, MINUTE_MS, SECOND_MS, ms_of

MOST_EARLIER = 8
_SHOWN = ("delivered", "read", "clicked", "failed")
_SENT = "accepted"
_PLACES = np.arange(0.5, 6) / 6
"""Within a minute."""
Numbers = NDArray[np.float64]


class Usual(BaseModel):
    """What was usual for messages as old as these: shares of those sent, from the least to the most."""

    status: str = Field(examples=["read"])
    lowest: float = Field(examples=[0.331])
    highest: float = Field(examples=[0.362])
    settles_lowest: float = Field(description="Share in the end", examples=[0.66])
    settles_highest: float = Field(examples=[0.70])
    maturing: bool = Field(description="The share in the end lies well above that at this age", examples=[True])


class EarlierCampaign(BaseModel):
    campaign_id: str = Field(examples=["summer-sale"])
    name: str = Field(examples=["Summer sale"])


class Comparison(BaseModel):
    """Empty lists: there is no earlier campaign of the channel. Over a share link none is named."""

    earlier: list[EarlierCampaign]
    usual: list[Usual]


class Curve(Struct, frozen=True):
    """Of one earlier campaign: shares of its sent messages that had reached each status by an age (ms)."""

    campaign_id: str
    name: str
    ages: dict[str, Numbers]
    shares: dict[str, Numbers]

    def at(self, status: str, ages_ms: Numbers) -> Numbers:
        if status not in self.ages:
            return np.zeros_like(ages_ms)
        places = np.searchsorted(self.ages[status], ages_ms, side="right") - 1
        return np.where(places >= 0, self.shares[status][np.maximum(places, 0)], 0.0)


def read_curves(context: Context, plan: Plan) -> list[Curve]:
    before = ms_of(plan.frozen_at) if plan.frozen_at else context.clock()
    found = context.rows(
        "earlier_campaigns", campaign_id=plan.campaign_id, channel=plan.channel, before=before, at_most=MOST_EARLIER
    )
    curves = [
        _curve(row["campaign_id"], row["name"], read_cells(context, row["campaign_id"], exact=False)) for row in found
    ]
    return [curve for curve in curves if curve]


def _curve(campaign_id: str, name: str, cells: Cells) -> Curve | None:
    sent = max((sum(count for _, count in counted) for counted in cells.values()), default=0)
    if not sent:
        return None
    ages = {status: np.array([cell for cell, _ in counted], dtype=float) for status, counted in cells.items()}
    shares = {status: np.cumsum([count for _, count in counted]) / sent for status, counted in cells.items()}
    return Curve(campaign_id, name, ages, shares)


def compare(curves: list[Curve], sent_by_minute: list[tuple[float, int]], now_ms: float) -> Comparison:
    """`sent_by_minute`: (ms since the epoch, messages sent in the minute from there)."""
    if not curves or not sent_by_minute:
        return Comparison(earlier=[], usual=[])
    starts, counts = (np.array(column, dtype=float) for column in zip(*sent_by_minute, strict=True))
    # A minute's messages are sent evenly over what has passed of it.
    ends = np.minimum(starts + MINUTE_MS, max(now_ms, starts.max() + SECOND_MS))
    ages_ms = np.maximum(now_ms - (starts + np.outer(_PLACES, ends - starts)), 0).ravel()
    weights = np.tile(counts / counts.sum() / len(_PLACES), len(_PLACES))
    return Comparison(
        earlier=[EarlierCampaign(campaign_id=curve.campaign_id, name=curve.name) for curve in curves],
        usual=[_usual(status, curves, ages_ms, weights) for status in _SHOWN],
    )


def _usual(status: str, curves: list[Curve], ages_ms: Numbers, weights: Numbers) -> Usual:
    now = [float(curve.at(status, ages_ms) @ weights) for curve in curves]
    in_the_end = [float(curve.at(status, np.array([30.0 * DAY_MS]))[0]) for curve in curves]
    return Usual(
        status=status,
        lowest=min(now),
        highest=max(now),
        settles_lowest=min(in_the_end),
        settles_highest=max(in_the_end),
        maturing=max(in_the_end) > 1.05 * max(now) + 0.005,
    )
