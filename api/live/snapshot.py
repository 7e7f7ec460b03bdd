"""Everything that the campaign page shows, at one moment."""

from pydantic import AwareDatetime, BaseModel, Field

from api.live.hub import Identified
from api.live.pace import Pace
from api.live.recent import Recent
from api.live.verdict import Verdict
from api.reports.accounting import Accounting
from api.reports.comparison import Comparison
from api.reports.cost import Cost
from api.reports.failures import Failing
from api.reports.funnel import Attempts, Funnel, Rates
from api.reports.latency import Latency
from api.reports.plan import Plan


class ProviderLine(BaseModel):
    """One provider and the channels it carries."""

    provider: str = Field(examples=["meta_whatsapp"])
    channels: list[str] = Field(examples=[["whatsapp"]])
    state: str = Field(description="steady, alert or quiet", examples=["steady"])
    sent: int = Field(examples=[194_020])
    per_s: float = Field(description="Sent, over the last minute", examples=[1_180.4])
    delivered_rate: float | None = Field(examples=[0.9087])
    read_rate: float | None = Field(examples=[0.3634])
    failed_rate: float | None = Field(examples=[0.0304])
    p50_ms: int | None = Field(examples=[1_900])
    p95_ms: int | None = Field(examples=[6_400])
    success: float | None = Field(description="Of what was decided in the last minute", examples=[0.984])
    trend: list[float | None] = Field(
        description="Sent a second, each 5 s of the last 15 minutes", examples=[[1_180.4, None]]
    )
    failed_strip: list[float | None] = Field(
        description="Share failed, each half minute of the last 15 minutes", examples=[[0.021, None]]
    )


class AllProviders(BaseModel):
    """All together: a message that was tried at two providers counts once. Read with the lines, so that they agree."""

    sent: int = Field(examples=[194_020])
    delivered_rate: float | None = Field(examples=[0.9087])
    read_rate: float | None = Field(examples=[0.3634])
    failed_rate: float | None = Field(examples=[0.0304])
    read_at: AwareDatetime | None = Field(
        description="When these and the providers' counts were read, of a large campaign; null: at this moment",
        examples=["2026-11-20T18:31:05Z"],
    )


class FailureLine(Failing):
    trend: list[int] = Field(
        description="New messages in each half minute of the last 15 minutes", examples=[[0, 12, 8]]
    )


class Exactness(BaseModel):
    """The last run of sql/checks. `exact` null: not run yet."""

    exact: bool | None = Field(examples=[True])
    checked_at: AwareDatetime | None = Field(examples=["2026-11-20T18:30:58Z"])
    seconds: float | None = Field(examples=[1.1])
    wrong: list[str] = Field(description="Checks that found something", examples=[[]])
    note: str = Field("", examples=[""])


class Freshness(BaseModel):
    """`data_at`: when the tables were read; `lag_ms`: how far the slowest lane was behind then."""

    data_at: AwareDatetime = Field(examples=["2026-11-20T18:31:05Z"])
    flows_at: AwareDatetime | None = Field(examples=["2026-11-20T18:31:04Z"])
    lag_ms: int | None = Field(examples=[420])


class Snapshot(Identified):
    """Whole in itself: whoever has the latest needs no other."""

    id: int = Field(
        description="ms since the epoch, growing: the id of its server-sent event", examples=[1_795_240_865_120]
    )
    freshness: Freshness
    plan: Plan
    verdict: Verdict
    pace: Pace
    funnel: Funnel
    rates: Rates
    attempts: Attempts
    accounting: Accounting
    queued: int = Field(
        description="Not handed over yet, now: the accounting's, less what was sent since that was read",
        examples=[3_912],
    )
    latency: Latency
    recent: Recent
    providers: list[ProviderLine]
    all_providers: AllProviders
    failures: list[FailureLine]
    comparison: Comparison
    cost: Cost | None = Field(description="null over a share link")
    heatmap: list[list[int]] | None = Field(
        description="Read by weekday and hour (UTC); null for campaigns of under a day", examples=[[[0] * 24] * 7]
    )
    exactness: Exactness
    counted_at: AwareDatetime | None = Field(
        None,
        description="Of a large campaign attempts, accounting, time to deliver, channels and comparison are counted in"
        " the background, then; null: all is of this moment",
        examples=["2026-11-20T18:30:00Z"],
    )
