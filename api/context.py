"""What routes need at hand: the warehouse, the clock, the settings; and the parameters that many share."""

from typing import Annotated, Any

import polars as pl
from fastapi import Depends, Path, Request
from msgspec import Struct

from schemas.settings import Settings
from schemas.times import Clock
from sql.warehouse import Warehouse

CAMPAIGN_PATTERN = r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$"
CampaignId = Annotated[str, Path(pattern=CAMPAIGN_PATTERN, description="Campaign", examples=["autumn-sale"])]


class Context(Struct, frozen=True):
    """One for an application."""

    warehouse: Warehouse
    settings: Settings
    clock: Clock

    def ask(self, question: str, **parameters: Any) -> pl.DataFrame:
        return self.warehouse.ask(question, **parameters)

    def rows(self, question: str, **parameters: Any) -> list[dict[str, Any]]:
        """The answer of `sql/queries/QUESTION.sql`, a dict a row."""
        return self.ask(question, **parameters).to_dicts()


def _context(request: Request) -> Context:
    context: Context = request.app.state.context
    return context


Asking = Annotated[Context, Depends(_context)]
