"""One message: all that the sender said and the providers reported of it."""

from typing import Annotated, Any, Literal

import polars as pl
from fastapi import APIRouter, Path, Query
from pydantic import AwareDatetime, BaseModel, Field, model_validator

from api.access import CanExport
from api.context import Asking, CampaignId, Context
from api.problems import Refusal, documented
from api.reports.plan import read_plan
from flows.identity import hash_keys

router = APIRouter(
    prefix="/api/campaigns/{campaign_id}/messages",
    tags=["messages"],
    dependencies=[CanExport],
    responses=documented(404),
)
State = Literal["", "clicked", "read", "delivered", "failed", "sent", "rejected", "other"]
LARGEST_KEY = 2**63 - 1


class Message(BaseModel):
    """When a message first reached each status; null: not reported."""

    message_key: str = Field(description="An integer; as text, because browsers round above 2^53", examples=["10493"])
    state: str = Field(description="How far it got", examples=["read"])
    accepted_at: AwareDatetime | None
    rejected_at: AwareDatetime | None
    sent_at: AwareDatetime | None
    deferred_at: AwareDatetime | None
    delivered_at: AwareDatetime | None
    read_at: AwareDatetime | None
    clicked_at: AwareDatetime | None
    failed_at: AwareDatetime | None
    complained_at: AwareDatetime | None
    unsubscribed_at: AwareDatetime | None


class MessagePage(BaseModel):
    messages: list[Message]
    after: str | None = Field(description="Ask with it for the next ones; null: there are no more")


class Report(BaseModel):
    """What a provider reported; of repeats the earliest."""

    attempt: int
    status: str
    error_code: str
    provider: str
    raw_status: str
    event_time: AwareDatetime
    received_at: AwareDatetime
    sent_at: AwareDatetime | None


class Said(BaseModel):
    """What the sender said."""

    attempt: int
    type: str
    reason: str
    outcome: str
    final: bool
    error_code: str
    at: AwareDatetime
    sent_at: AwareDatetime | None
    channel: str
    provider: str
    sender: str
    template: str
    country: str


class Trace(BaseModel):
    message_key: str
    said: list[Said]
    reported: list[Report]


class Person(BaseModel):
    """One of the two, as the sender or the provider wrote it. It is hashed, looked for, and kept nowhere."""

    recipient: str | None = Field(None, min_length=1, max_length=512, examples=["+31600000001"])
    provider_message_id: str | None = Field(None, min_length=1, max_length=512, examples=["wamid.HBgL…"])

    @model_validator(mode="after")
    def _one_of_them(self) -> "Person":
        if (self.recipient is None) == (self.provider_message_id is None):
            raise ValueError("either recipient or provider_message_id")
        return self


@router.get("")
def list_messages(
    asking: Asking,
    campaign_id: CampaignId,
    state: State = "",
    error_code: Annotated[str, Query(max_length=128, description="That failed for this reason")] = "",
    after: Annotated[int, Query(ge=-1, le=LARGEST_KEY, description="Key of the last message seen")] = -1,
    at_most: Annotated[int, Query(ge=1, le=1_000)] = 50,
) -> MessagePage:
    """By key; the rows behind a figure."""
    read_plan(asking, campaign_id)
    rows = asking.rows(
        "messages_page", campaign_id=campaign_id, state=state, error_code=error_code, after=after, at_most=at_most
    )
    messages = [_message(row) for row in rows]
    return MessagePage(messages=messages, after=messages[-1].message_key if len(messages) == at_most else None)


@router.post("/find")
def find_messages(asking: Asking, campaign_id: CampaignId, person: Person) -> list[Trace]:
    """All that happened to the messages of a recipient, or with a provider's id. In the body, so that no log has it."""
    read_plan(asking, campaign_id)
    text = person.recipient or person.provider_message_id or ""
    question = "messages_of_recipient" if person.recipient else "messages_of_id"
    found = asking.rows(question, campaign_id=campaign_id, hashes=_hashes(asking, text))
    return [_trace(asking, campaign_id, row["message_key"]) for row in found]


@router.get("/{message_key}")
def trace_message(
    asking: Asking, campaign_id: CampaignId, message_key: Annotated[int, Path(ge=0, le=LARGEST_KEY)]
) -> Trace:
    """All that happened to one message, in order of time."""
    trace = _trace(asking, campaign_id, message_key)
    if not trace.said and not trace.reported:
        raise Refusal(404, "No such message", str(message_key))
    return trace


def _trace(context: Context, campaign_id: str, message_key: int) -> Trace:
    parameters = {"campaign_id": campaign_id, "message_key": message_key}
    return Trace(
        message_key=str(message_key),
        said=[Said(**row) for row in context.rows("trace_outbound", **parameters)],
        reported=[Report(**row) for row in context.rows("trace_events", **parameters)],
    )


def _hashes(context: Context, text: str) -> list[str]:
    """By each kept key, in hex: what was stored before a key was changed is found too."""
    return [key.hashes(pl.Series([text]))[0].hex() for key in hash_keys(context.settings)]


def _message(row: dict[str, Any]) -> Message:
    return Message(**row | {"message_key": str(row["message_key"])})
