"""What the operations page is sent each second."""

from typing import Literal

from pydantic import AwareDatetime, BaseModel, Field

from api.live.hub import Identified
from api.live.snapshot import Exactness, Freshness
from api.live.verdict import State


class OpsVerdict(BaseModel):
    state: State = Field(examples=["ok"])
    word: str = Field(examples=["All well."])
    sentence: str = Field(examples=["Tidemark keeps up."])
    more: str = Field(examples=["Nobody has to act."])


class LaneNow(BaseModel):
    """A lane of a flow: `lag` in messages (Kafka) or bytes (files)."""

    flow: str = Field(examples=["status"])
    lane: str = Field(examples=["delivered"])
    lag: int = Field(examples=[1_204])
    lag_ms: int = Field(examples=[180])
    events_per_s: float = Field(examples=[9_870.0])
    batch_age_ms: int = Field(examples=[250])
    retries: int = Field(examples=[0])
    lag_ms_series: list[int | None] = Field(description="Each 5 s of the last 15 minutes", examples=[[190, 180, None]])


class InsertTimes(BaseModel):
    """Milliseconds an insert, over all lanes, each 5 s of the last 15 minutes."""

    mean_ms: list[float | None] = Field(examples=[[92.4, None]])
    slowest_ms: list[float | None] = Field(examples=[[181.0, None]])


class ChannelRate(BaseModel):
    """Messages a second; `unusual`: places in it that left the range of the three minutes before."""

    channel: str = Field(examples=["whatsapp"])
    allowed_per_s: float | None = Field(
        description="What the senders of campaigns that go by it first are allowed now; null: none is sending",
        examples=[1_307.2],
    )
    per_s: list[float | None] = Field(examples=[[1_180.4, 1_201.0, None]])
    unusual: list[int] = Field(examples=[[1]])


class ProviderNowLine(BaseModel):
    provider: str = Field(examples=["meta_whatsapp"])
    channel: str = Field(examples=["whatsapp"])
    state: str = Field(examples=["steady"])
    success: float | None = Field(examples=[0.984])
    success_series: list[float | None] = Field(
        description="Each half minute of the last 15 minutes", examples=[[0.991, None]]
    )
    repeats: int = Field(description="Reports told again in the last 15 minutes", examples=[412])
    repeat_rate: float | None = Field(description="Of all its reports", examples=[0.028])
    per_s: float = Field(examples=[1_180.4])
    cost: float | None = Field(
        description="Of today's campaigns with a price list; a message tried elsewhere, too", examples=[8_221.5]
    )
    cost_per_message: float | None = Field(examples=[0.0927])


class OpsMark(BaseModel):
    """What happened, to be marked in the time charts."""

    at: int = Field(description="s since the epoch", examples=[1_795_240_800])
    whose: Literal["sender", "flow"] = Field(examples=["sender"])
    what: str = Field(examples=["autumn-sale: limit 1,000 → 2,000"])


class DeadLetterLine(BaseModel):
    flow: str = Field(examples=["status"])
    reason: str = Field(examples=["parser_failed"])
    letters: int = Field(description="In the last day", examples=[12])
    first_at: AwareDatetime = Field(examples=["2026-11-20T09:12:00Z"])
    last_at: AwareDatetime = Field(examples=["2026-11-20T18:31:04Z"])
    trend: list[int] = Field(description="Each half minute of the last 15 minutes", examples=[[0, 0, 3]])
    next_step: str = Field(examples=["mend the parser, then replay"])


class LiveFigures(BaseModel):
    """How the live page itself does: `built` snapshots of a topic, whatever its number of `viewers`."""

    topic: str = Field(examples=["campaign autumn-sale"])
    viewers: int = Field(examples=[12])
    built: int = Field(examples=[1_863])
    dropped: int = Field(examples=[0])
    built_ms: float = Field(examples=[41.5])


class OpsSnapshot(Identified):
    id: int = Field(
        description="ms since the epoch, growing: the id of its server-sent event", examples=[1_795_240_865_120]
    )
    freshness: Freshness
    verdict: OpsVerdict
    events_per_s: float = Field(examples=[18_420.0])
    campaigns_running: int = Field(examples=[4])
    at: list[int] = Field(description="Ends of the steps, s since the epoch", examples=[[1_795_240_800, 1_795_240_805]])
    lanes: list[LaneNow]
    inserts: InsertTimes
    channels: list[ChannelRate]
    allowed: list[float | None] = Field(
        description="Messages a second that all senders together were allowed", examples=[[1_307.2, None]]
    )
    marks: list[OpsMark] = Field(description="Pauses, changed limits, routes broken off; flows that were away")
    providers: list[ProviderNowLine]
    dead_letters: list[DeadLetterLine]
    unmatched: int = Field(examples=[312])
    unmatched_since: AwareDatetime | None = Field(examples=["2026-11-20T18:30:56Z"])
    repeats_dropped: int = Field(description="In the last 15 minutes", examples=[4_120])
    events_15min: int = Field(examples=[1_204_118])
    cost_per_message: float | None = Field(
        description="Mean of the campaigns with a price list that gave a sign of life today", examples=[0.0927]
    )
    exactness: Exactness
    live: list[LiveFigures]
