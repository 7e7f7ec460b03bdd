"""Everything that the campaign page shows, at one moment."""

from pydantic import AwareDatetime, BaseModel, Field

from api.live.pace import Pace
from api.live.recent import Recent
from api.live.verdict import Verdict
from api.reports.accounting import Accounting
from api.reports.comparison import Comparison
from api.reports.cost import Cost
from api.reports.failures import Failure
from api.reports.funnel import Attempts, Funnel, Rates
from api.reports.latency import Latency
from api.reports.plan import Plan


class ProviderLine(BaseModel):
    """One provider and the channels it carries."""

    provider: str = Field(examples=["meta_whatsapp"])
    channels: list[str] = Field(examples=[["whatsapp"]])
    state: str = Field(description="steady, alert or quiet", examples=["steady"])
    sent: int
    per_s: float = Field(description="Sent, over the last minute")
    delivered_rate: float | None
    read_rate: float | None
    failed_rate: float | None
    p50_ms: int | None
    p95_ms: int | None
    success: float | None = Field(description="Of what was decided in the last minute")
    trend: list[float | None] = Field(description="Sent a second, each 5 s of the last 15 minutes")
    failed_strip: list[float | None] = Field(description="Share failed, each half minute of the last 15 minutes")


class FailureLine(Failure):
    trend: list[int] = Field(description="New messages in each half minute of the last 15 minutes")


class Exactness(BaseModel):
    """The last run of sql/checks. `exact` null: not run yet."""

    exact: bool | None
    checked_at: AwareDatetime | None
    seconds: float | None
    wrong: list[str] = Field(description="Checks that found something")
    note: str = ""


class Freshness(BaseModel):
    """`data_at`: when the tables were read; `lag_ms`: how far the slowest lane was behind then."""

    data_at: AwareDatetime
    flows_at: AwareDatetime | None
    lag_ms: int | None


class Snapshot(BaseModel):
    """Whole in itself: whoever has the latest needs no other."""

    id: int = Field(description="ms since the epoch, growing: the id of its server-sent event")
    freshness: Freshness
    plan: Plan
    verdict: Verdict
    pace: Pace
    funnel: Funnel
    rates: Rates
    attempts: Attempts
    accounting: Accounting
    latency: Latency
    recent: Recent
    providers: list[ProviderLine]
    failures: list[FailureLine]
    comparison: Comparison
    cost: Cost
    heatmap: list[list[int]] | None = Field(
        description="Read by weekday and hour (UTC); null for campaigns of under a day"
    )
    exactness: Exactness
