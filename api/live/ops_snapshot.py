"""What the operations page is sent each second."""

from pydantic import AwareDatetime, BaseModel, Field

from api.live.snapshot import Exactness, Freshness
from api.live.verdict import State


class OpsVerdict(BaseModel):
    state: State
    word: str
    sentence: str
    more: str


class LaneNow(BaseModel):
    """A lane of a flow: `lag` in messages (Kafka) or bytes (files)."""

    flow: str
    lane: str
    lag: int
    lag_ms: int
    events_per_s: float
    batch_age_ms: int
    retries: int
    lag_ms_series: list[int | None] = Field(description="Each 5 s of the last 15 minutes")


class InsertTimes(BaseModel):
    """Milliseconds an insert, over all lanes, each 5 s of the last 15 minutes."""

    mean_ms: list[float | None]
    slowest_ms: list[float | None]


class ChannelRate(BaseModel):
    """Messages a second; `unusual`: places in it that left the range of the three minutes before."""

    channel: str
    per_s: list[float | None]
    unusual: list[int]


class ProviderNowLine(BaseModel):
    provider: str
    channel: str
    state: str = Field(examples=["steady"])
    success: float | None
    success_series: list[float | None] = Field(description="Each half minute of the last 15 minutes")
    repeats: int = Field(description="Reports told again in the last 15 minutes")
    repeat_rate: float | None = Field(description="Of all its reports")
    per_s: float


class DeadLetterLine(BaseModel):
    flow: str
    reason: str
    letters: int = Field(description="In the last day")
    first_at: AwareDatetime
    last_at: AwareDatetime
    trend: list[int] = Field(description="Each half minute of the last 15 minutes")
    next_step: str


class LiveFigures(BaseModel):
    """How the live page itself does: `built` snapshots of a topic, whatever its number of `viewers`."""

    topic: str
    viewers: int
    built: int
    dropped: int
    built_ms: float


class OpsSnapshot(BaseModel):
    id: int
    freshness: Freshness
    verdict: OpsVerdict
    events_per_s: float
    campaigns_running: int
    at: list[int] = Field(description="Ends of the steps, s since the epoch")
    lanes: list[LaneNow]
    inserts: InsertTimes
    channels: list[ChannelRate]
    providers: list[ProviderNowLine]
    dead_letters: list[DeadLetterLine]
    unmatched: int
    unmatched_since: AwareDatetime | None
    repeats_dropped: int = Field(description="In the last 15 minutes")
    events_15min: int
    cost_per_message: float | None = Field(
        description="Mean of the campaigns with a price list that gave a sign of life today"
    )
    exactness: Exactness
    live: list[LiveFigures]
