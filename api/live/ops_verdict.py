"""The sentence above the operations page, by rules over what stands below it."""

from datetime import datetime

from api.live.ops_snapshot import LaneNow, OpsVerdict, ProviderNowLine
from api.live.snapshot import Exactness
from schemas.times import SECOND_MS, ms_of

_BEHIND_MS = 10 * SECOND_MS
_SILENT_MS = 15 * SECOND_MS


def judge_operations(
    lanes: list[LaneNow], providers: list[ProviderNowLine], exactness: Exactness, flows_at: datetime | None, now_ms: int
) -> OpsVerdict:
    """First match wins."""
    if exactness.wrong:
        return OpsVerdict(
            state="act", word="Act now.", sentence="The figures are not exact.",
            more=f"Data team looks at sql/checks: {exactness.wrong[0]}.",
        )  # fmt: skip
    if flows_at is None:
        return OpsVerdict(
            state="ready", word="Quiet.", sentence="No flow has told of itself in the last minute.",
            more="Start them with python -m flows.route and python -m flows.status.",
        )  # fmt: skip
    if now_ms - ms_of(flows_at) > _SILENT_MS:
        return OpsVerdict(
            state="act", word="Act now.", sentence="The flows fell silent.",
            more="Messaging ops: start flows.route and flows.status again; nothing is lost meanwhile.",
        )  # fmt: skip
    behind = [lane for lane in lanes if lane.lag_ms > _BEHIND_MS]
    weak = [line for line in providers if line.state == "alert"]
    if behind:
        names = ", ".join(f"{lane.flow} {lane.lane}" for lane in behind)
        return OpsVerdict(
            state="watch", word="Watch.", sentence=f"Behind by more than 10 s: {names}.",
            more="It catches up by itself; if the age grows, messaging ops starts another slice of the flow.",
        )  # fmt: skip
    if weak:
        return OpsVerdict(
            state="watch", word="Watch.", sentence=f"Tidemark keeps up; {weak[0].provider} does not.",
            more=f"Its success over the last minute is {100 * (weak[0].success or 0):.1f}%; the line is at 90%."
            " If it stays there for five minutes, messaging ops moves its share.",
        )  # fmt: skip
    return OpsVerdict(state="ok", word="All well.", sentence="Tidemark keeps up.", more="Nobody has to act.")
