"""What an operator tells the senders from the page: pause a campaign, go on with it.

order ──▶ topic send.control ──▶ every sender process, within a second
  └─────▶ audit log: by whose key
"""

import logging
from typing import Annotated, Literal

from fastapi import APIRouter
from pydantic import BaseModel, Field

from api.access import CanAdmin
from api.context import Asking, CampaignId
from api.keys import Key
from api.noted import actor_of
from api.problems import Refusal, documented
from api.reports.plan import read_plan
from flows.sending.control import Order, encode_order
from flows.topics import open_producer
from schemas.errors import TidemarkError, TopicDown
from schemas.settings import Settings
from schemas.times import wall_clock
from schemas.topics import SEND_CONTROL
from sql import audit

log = logging.getLogger(__name__)
router = APIRouter(prefix="/api/campaigns/{campaign_id}/orders", tags=["operations"])


class Wish(BaseModel):
    action: Literal["pause", "resume"] = Field(examples=["pause"])
    why: str = Field("", max_length=500, description="Shown to whoever watches", examples=["wrong price in it"])


class Given(BaseModel):
    """`at`: ms since the epoch. Senders follow within a second; an order holds until another takes it back."""

    at: int = Field(examples=[1_795_240_865_120])
    action: str = Field(examples=["pause"])
    campaign_id: str = Field(examples=["autumn-sale"])


@router.post("", status_code=202, responses=documented(404))
def give_order(asking: Asking, campaign_id: CampaignId, wish: Wish, key: Annotated[Key, CanAdmin]) -> Given:
    """Pause or resume the campaign: nothing more of it is handed over until it is resumed."""
    read_plan(asking, campaign_id)
    order = Order(at=wall_clock(), action=wish.action, campaign_id=campaign_id, why=wish.why)
    try:
        _append(asking.settings, order)
    except TopicDown as error:
        log.error("%s %s: %s", wish.action, campaign_id, error)
        raise Refusal(503, "The broker does not answer", "Nothing was ordered", {"Retry-After": "2"}) from None
    try:
        audit.record(asking.warehouse, wish.action, campaign_id, {"why": wish.why}, actor_of(key))
    except TidemarkError as error:  # the order stands: a switch waits for no database
        log.error("not in the audit log: %s %s: %s", wish.action, campaign_id, error)
    return Given(at=order.at, action=order.action, campaign_id=campaign_id)


def _append(settings: Settings, order: Order) -> None:
    """To the first partition, as `flows.send` does: orders stand in the order they were given. Durable on return."""
    producer = open_producer(settings)
    try:
        producer.partitions(SEND_CONTROL)
        producer.append(SEND_CONTROL, 0, encode_order(order))
        producer.flush()
    finally:
        producer.close()
