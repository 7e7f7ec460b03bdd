"""Where is every message of the audience? Disjoint lines that sum up to it, any gap shown."""

from typing import Any

from pydantic import BaseModel, Field

from api.context import Context

_OVERDRAWN = "overdrawn"


class AccountingLine(BaseModel):
    what: str = Field(examples=["screened: suppressed"])
    messages: int = Field(examples=[21_000])


class Accounting(BaseModel):
    """A message counts in the first line that holds of it. `gap` is 0 when the lines sum up to the audience; both are
    null where no plan tells of one."""

    audience: int | None = Field(examples=[200_000])
    lines: list[AccountingLine]
    gap: int | None = Field(description="Messages known beyond the audience", examples=[0])

    def of(self, what: str) -> int:
        """Messages of one line, 0 where it does not stand."""
        return next((line.messages for line in self.lines if line.what == what), 0)


def read_accounting(context: Context, campaign_id: str, audience: int | None) -> Accounting:
    return accounting_of(context.rows("accounting", campaign_id=campaign_id), audience)


def accounting_of(rows: list[dict[str, Any]], audience: int | None) -> Accounting:
    lines = [AccountingLine(what=row["what"], messages=row["messages"]) for row in rows if row["what"] != _OVERDRAWN]
    total = sum(line.messages for line in lines)
    return Accounting(audience=audience, lines=lines, gap=None if audience is None else total - audience)
