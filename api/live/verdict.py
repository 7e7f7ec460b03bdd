"""Two seconds' worth: is it going well, and must anybody act? Rules, the first that matches wins."""

from datetime import datetime
from typing import Literal

from msgspec import Struct
from pydantic import AwareDatetime, BaseModel, Field

from api.live.pace import Pace, why_paused

State = Literal["act", "paused", "done", "ready", "watch", "ok"]
WORDS: dict[State, str] = {
    "act": "Act now.", "paused": "Paused.", "done": "Done.", "ready": "Ready.", "watch": "Watch.", "ok": "On track.",
}  # fmt: skip
USUAL_FAILING = 0.05
"""Where no earlier campaign says what is usual."""
_ALARM_TIMES = 3
_LATE = 0.10
_ENOUGH = 20
_STEADY_SUCCESS = 0.90


class Verdict(BaseModel):
    """`{done_at}` stands for that time, local to whoever reads."""

    state: State = Field(examples=["ok"])
    word: str = Field(examples=["On track."])
    sentence: str = Field(examples=["63% sent, 95.9% delivered, done about {done_at}."])
    more: str = Field("", examples=["Nobody has to act."])
    owner: str = Field("", description="Who must act, or nobody", examples=["Messaging ops"])
    done_at: AwareDatetime | None = Field(None, examples=["2026-11-20T18:42:00Z"])


class ProviderNow(Struct, frozen=True):
    """A provider over the last minute."""

    provider: str
    success: float | None
    decided: int


class Facts(Struct, frozen=True, kw_only=True):
    """What the rules go by; shares from 0 to 1. Audience, what of it is sendable, gap: None where no plan tells."""

    pace: Pace
    audience: int | None
    sendable: int | None
    sent: int
    delivered_share: float | None
    failed_share: float | None
    read_share: float | None
    queued: int
    gap: int | None
    wrong_checks: int
    failing_now: float | None
    """Of what was decided in the last minute."""
    usual_failing: float
    providers: list[ProviderNow]
    p95_ms: int | None
    sla_ms: int | None
    sla_missed_s: float
    """For how long without a break."""


def judge(facts: Facts) -> Verdict:
    return _act(facts) or _phase(facts) or _watch(facts) or _on_track(facts)


def is_weak(success: float | None, decided: int) -> bool:
    """Whether a provider, over the last minute, has left its usual range."""
    return decided >= _ENOUGH and success is not None and success < _STEADY_SUCCESS


def _act(facts: Facts) -> Verdict | None:
    if facts.gap:
        return _verdict(
            "act",
            f"The accounts have a gap of {facts.gap:,} messages.",
            "finds out why before the next campaign.",
            "Messaging ops",
        )
    if facts.wrong_checks:
        return _verdict("act", "The figures are not exact.", "looks at the checks on the operations page.", "Data team")
    if facts.pace.phase == "silent":
        return _verdict(
            "act",
            f"The sender fell silent with {facts.queued:,} queued.",
            "starts it again: `python -m flows.send`.",
            "Messaging ops",
        )
    for route in facts.providers:
        if facts.pace.phase == "running" and route.decided >= _ENOUGH and route.success == 0:
            return _verdict(
                "act",
                f"{route.provider} fails every message.",
                f"moves its messages to another route than {route.provider}.",
                "Messaging ops",
            )
    if facts.pace.phase == "running" and _alarming(facts):
        return _verdict(
            "act",
            f"{_percent(facts.failing_now)} fail, usual is {_percent(facts.usual_failing)}.",
            "looks at the reasons below, and pauses the campaign if they are ours.",
            "Messaging ops",
        )
    if facts.pace.phase == "running" and facts.sla_missed_s >= 300:
        return _verdict(
            "act",
            "Too slow: the promised time is missed.",
            "asks the slowest provider, and moves its share.",
            "Messaging ops",
        )
    return None


def _alarming(facts: Facts) -> bool:
    decided = sum(route.decided for route in facts.providers)
    return (
        facts.failing_now is not None and decided >= _ENOUGH and facts.failing_now > _ALARM_TIMES * facts.usual_failing
    )


def _phase(facts: Facts) -> Verdict | None:
    pace = facts.pace
    if pace.phase == "paused":
        why = why_paused(pace.slower_because)
        return _verdict(
            "paused",
            f"{_sent(facts)} sent, {pace.in_flight:,} are still on their way.",
            f"Nothing more is sent until somebody resumes it{f': {why}' if why else ''}.",
        )
    if pace.phase == "done":
        more = (
            f"Reads still come in: {_percent(facts.read_share)} so far. Nobody has to act."
            if facts.read_share
            else "Nobody has to act."
        )
        return _verdict(
            "done", f"{_percent(facts.delivered_share)} delivered, {_percent(facts.failed_share)} failed.", more
        )
    if pace.phase == "ready":
        planned = "No plan is known." if facts.audience is None else f"{facts.audience:,} messages are planned."
        return _verdict("ready", planned, "It has not begun.")
    return None


def _watch(facts: Facts) -> Verdict | None:
    late = facts.pace.late_share
    if late is not None and late > _LATE and facts.pace.done_at:
        why = facts.pace.why or "no reason given"
        return _verdict(
            "watch", f"{_sent(facts)} sent, done only about {{done_at}}.",
            f"{_percent(late)} later than at its average pace: {why}. Nobody has to act yet.",
            done_at=facts.pace.done_at,
        )  # fmt: skip
    weak = next((route for route in facts.providers if is_weak(route.success, route.decided)), None)
    if weak and facts.pace.phase == "running":
        return _verdict(
            "watch", f"{weak.provider} delivers only {_percent(weak.success)}.",
            "If it stays there for five minutes, messaging ops moves its share.", done_at=facts.pace.done_at,
        )  # fmt: skip
    if facts.p95_ms and facts.sla_ms and facts.p95_ms > facts.sla_ms:
        return _verdict(
            "watch", _progress(facts),
            "More than 5% take longer than promised. If that lasts five minutes, messaging ops moves messages.",
            done_at=facts.pace.done_at,
        )  # fmt: skip
    return None


def _on_track(facts: Facts) -> Verdict:
    return _verdict("ok", _progress(facts), "Nobody has to act.", done_at=facts.pace.done_at)


def _progress(facts: Facts) -> str:
    end = ", done about {done_at}." if facts.pace.done_at else "."
    return f"{_sent(facts)} sent, {_percent(facts.delivered_share)} delivered{end}"


def _sent(facts: Facts) -> str:
    if facts.sendable is None:
        return f"{facts.sent:,}"
    whole = facts.sendable or facts.sent
    return f"{100 * min(1.0, facts.sent / whole):.0f}%" if whole else "0%"


def _verdict(state: State, sentence: str, more: str, owner: str = "", done_at: datetime | None = None) -> Verdict:
    return Verdict(state=state, word=WORDS[state], sentence=sentence, more=more, owner=owner, done_at=done_at)


def _percent(part: float | None) -> str:
    return "none" if part is None else f"{100 * part:.1f}%"
