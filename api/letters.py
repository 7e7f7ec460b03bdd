"""Dead letters by reason: how many, since when, whose fault, what to do, and the commands that show and mend them."""

from typing import Annotated, Any

from fastapi import APIRouter, Query
from pydantic import AwareDatetime, BaseModel, Field

from api.access import CanRead
from api.context import Asking
from api.problems import documented
from flows.triage import advice
from schemas.times import DAY_MS

router = APIRouter(prefix="/api", tags=["operations"], dependencies=[CanRead])


class DeadLetterReason(BaseModel):
    """`letters` were counted by the flows, which count what they read again after a crash twice; `flows.dlq` counts the
    topic itself.
    """

    topic: str = Field(examples=["dlq.webhook"])
    reason: str = Field(examples=["parser_failed"])
    letters: int = Field(examples=[12])
    replayed: int = Field(examples=[9])
    discarded: int = Field(examples=[1])
    open: int = Field(
        description="Neither replayed nor discarded; what came back after a replay is open again", examples=[2]
    )
    first_at: AwareDatetime = Field(examples=["2026-11-20T09:12:00Z"])
    last_at: AwareDatetime = Field(examples=["2026-11-20T18:31:04Z"])
    whose: str = Field(description="Whose fault it most likely is", examples=["a bug or a lack of ours"])
    next_step: str = Field(examples=["mend the parser, then replay"])
    show: str = Field(
        description="The command that prints them, with what today's code says of each",
        examples=["python -m flows.dlq show --topic dlq.webhook --reason parser_failed"],
    )
    replay: str = Field(
        description="The command that puts back what today's code takes; safe to repeat",
        examples=["python -m flows.dlq replay --topic dlq.webhook --reason parser_failed"],
    )
    discard: str = Field(
        description="The command that closes them without using them",
        examples=["python -m flows.dlq discard --topic dlq.webhook --reason parser_failed"],
    )


class DeadLetters(BaseModel):
    days: int = Field(examples=[7])
    open: int = Field(examples=[2])
    reasons: list[DeadLetterReason] = Field(description="Most open first")


@router.get("/dead-letters", responses=documented())
def read_dead_letters(
    asking: Asking, days: Annotated[int, Query(ge=1, le=30, description="Letters of the last so many")] = 7
) -> DeadLetters:
    """What could not be used, by topic and reason."""
    rows = asking.rows("dead_letters_open", since=asking.clock() - days * DAY_MS)
    reasons = [_reason(row) for row in rows]
    return DeadLetters(days=days, open=sum(line.open for line in reasons), reasons=reasons)


def _reason(row: dict[str, Any]) -> DeadLetterReason:
    told = advice(row["reason"])
    which = f"--topic {row['topic']} --reason {row['reason']}"
    commands = {word: f"python -m flows.dlq {word} {which}" for word in ("show", "replay", "discard")}
    return DeadLetterReason(**row, whose=told.whose, next_step=told.do, **commands)
