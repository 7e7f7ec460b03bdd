"""The messages behind a figure, and of each all that the sender said and the providers reported."""

from typing import Annotated, Any, Literal

import polars as pl
from fastapi import APIRouter, Path, Query
from pydantic import AwareDatetime, BaseModel, Field, model_validator

from api.access import CanExport
from api.context import Asking, CampaignId, Context
from api.keys import Key
from api.noted import note_or_refuse
from api.problems import Refusal, documented
from api.reports.plan import read_plan
from api.reports.rows import Choice, read_page
from flows.identity import hash_keys

router = APIRouter(
    prefix="/api/campaigns/{campaign_id}/messages",
    tags=["messages"],
    dependencies=[CanExport],
    responses=documented(404),
)
State = Literal["", "clicked", "read", "delivered", "failed", "sent", "rejected", "other"]
Reached = Literal["", "sent", "delivered", "read", "clicked", "failed"]
Line = Literal[
    "", "handed over", "in doubt", "in flight", "screened: suppressed", "screened: capped", "screened: expired",
    "screened: invalid", "screened: duplicate", "screened: unrenderable", "screened: cancelled", "rejected for good",
]  # fmt: skip
LARGEST_KEY = 2**63 - 1


class Message(BaseModel):
    """When a message first reached each status; null: not reported."""

    message_key: str = Field(description="An integer; as text, because browsers round above 2^53", examples=["10493"])
    state: str = Field(
        description="How far it got; where nothing was reported of it, its line of the accounting", examples=["read"]
    )
    accepted_at: AwareDatetime | None = Field(examples=["2026-11-20T18:04:11Z"])
    rejected_at: AwareDatetime | None = Field(examples=[None])
    sent_at: AwareDatetime | None = Field(examples=["2026-11-20T18:04:12Z"])
    deferred_at: AwareDatetime | None = Field(examples=[None])
    delivered_at: AwareDatetime | None = Field(examples=["2026-11-20T18:04:13Z"])
    read_at: AwareDatetime | None = Field(examples=["2026-11-20T18:20:44Z"])
    clicked_at: AwareDatetime | None = Field(examples=[None])
    failed_at: AwareDatetime | None = Field(examples=[None])
    complained_at: AwareDatetime | None = Field(examples=[None])
    unsubscribed_at: AwareDatetime | None = Field(examples=[None])


class MessagePage(BaseModel):
    messages: list[Message]
    after: str | None = Field(description="Ask with it for the next ones; null: there are no more", examples=["10493"])


class Report(BaseModel):
    """What a provider reported; of repeats the earliest."""

    attempt: int = Field(examples=[1])
    status: str = Field(examples=["delivered"])
    error_code: str = Field(examples=[""])
    provider: str = Field(examples=["meta_whatsapp"])
    raw_status: str = Field(examples=["delivered"])
    event_time: AwareDatetime = Field(examples=["2026-11-20T18:04:13Z"])
    received_at: AwareDatetime = Field(examples=["2026-11-20T18:04:14Z"])
    sent_at: AwareDatetime | None = Field(examples=["2026-11-20T18:04:11Z"])


class Said(BaseModel):
    """What the sender said."""

    attempt: int = Field(examples=[1])
    type: str = Field(examples=["accepted"])
    reason: str = Field(examples=[""])
    outcome: str = Field(examples=[""])
    final: bool = Field(examples=[False])
    error_code: str = Field(examples=[""])
    at: AwareDatetime = Field(examples=["2026-11-20T18:04:11Z"])
    sent_at: AwareDatetime | None = Field(examples=["2026-11-20T18:04:11Z"])
    channel: str = Field(examples=["whatsapp"])
    provider: str = Field(examples=["meta_whatsapp"])
    sender: str = Field(examples=["106540352242922"])
    template: str = Field(examples=["autumn_sale"])
    country: str = Field(examples=["NL"])


class Trace(BaseModel):
    message_key: str = Field(examples=["10493"])
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
    state: Annotated[State, Query(description="How far it got")] = "",
    reached: Annotated[Reached, Query(description="Those that the figure of this name counts")] = "",
    line: Annotated[Line, Query(description="Those of this line of the accounting; queued ones have no key yet")] = "",
    provider: Annotated[str, Query(max_length=128, description="By what this one reported, reached or failed")] = "",
    error_code: Annotated[
        str | None, Query(max_length=128, description="That failed for this reason; empty: none was given")
    ] = None,
    after: Annotated[int, Query(ge=-1, le=LARGEST_KEY, description="Key of the last message seen")] = -1,
    at_most: Annotated[int, Query(ge=1, le=1_000)] = 50,
) -> MessagePage:
    """By key; the rows behind a figure. No figure counts by `line` and anything else, or by `state` or `reached` and an
    `error_code`."""
    choice = Choice(state, reached, line, provider, error_code)
    if not choice.is_one():
        raise Refusal(422, "A parameter is wrong", "query: no figure counts by all of these")
    read_plan(asking, campaign_id)
    page = read_page(asking, campaign_id, choice, after, at_most)
    messages = [_message(row) for row in page.rows.to_dicts()]
    return MessagePage(messages=messages, after=None if page.after is None else str(page.after))


@router.post("/find")
def find_messages(asking: Asking, campaign_id: CampaignId, person: Person, key: Key = CanExport) -> list[Trace]:
    """All that happened to the messages of a recipient, or with a provider's id. In the body, so that no log has it.

    That somebody was looked up stands in the audit log, by the keyed hash.
    """
    read_plan(asking, campaign_id)
    text = person.recipient or person.provider_message_id or ""
    question = "messages_of_recipient" if person.recipient else "messages_of_id"
    hashes = _hashes(asking, text)
    found = asking.rows(question, campaign_id=campaign_id, hashes=hashes)
    note_or_refuse(asking, key, "look-up", campaign_id, person=hashes[0], messages=len(found))
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
