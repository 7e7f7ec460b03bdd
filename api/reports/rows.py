"""The rows behind a figure: which messages it counts, and when each first reached each status."""

import time
from typing import Any, NamedTuple

import polars as pl

from api.context import Context

_ROWS_A_MESSAGE = 2
"""Before merges made them one."""
_LARGEST_SPAN = 1_000_000
_LOOKS_FOR_S = 2.0


class Choice(NamedTuple):
    """Of messages; empty: all of them.

    `reached`: those that the figure of that name counts, of the funnel or, with `provider`, of that provider; `line`:
    those of a line of the accounting; `error_code`: those that failed for it, "" for none given; None: no matter.
    """

    state: str = ""
    reached: str = ""
    line: str = ""
    provider: str = ""
    error_code: str | None = None

    def is_one(self) -> bool:
        """Whether there is a figure that counts by all that is chosen."""
        if self.line:
            return self == Choice(line=self.line)
        if self.error_code is not None:
            return self == Choice(provider=self.provider, error_code=self.error_code)
        return not (self.state and (self.reached or self.provider))


class Rows(NamedTuple):
    """`after`: where the next ones begin; None: there are no more."""

    rows: pl.DataFrame
    after: int | None


def read_page(context: Context, campaign_id: str, choice: Choice, after: int, at_most: int) -> Rows:
    """At most so many, by key. Of a figure with a set of its own they are read from that."""
    figure = _figure(choice)
    if figure is None:
        return _scanned(context, campaign_id, choice, after, at_most)
    question, parameters = figure
    keys = context.ask(question, campaign_id=campaign_id, after=after, at_most=at_most, **parameters)
    told = context.ask("messages_of_keys", campaign_id=campaign_id, keys=keys["message_key"].to_list())
    rows = keys.join(told, on="message_key", how="left", maintain_order="left")
    rows = rows.with_columns(pl.col("state").fill_null(choice.line))  # nothing was reported of it
    return Rows(rows, int(keys["message_key"][-1]) if len(keys) == at_most else None)


def _figure(choice: Choice) -> tuple[str, dict[str, Any]] | None:
    if choice.line:
        return "messages_of_line", {"what": choice.line}
    if choice.error_code is not None:
        return "messages_of_reason", {"provider": choice.provider, "error_code": choice.error_code}
    if choice.provider:
        return "messages_of_provider", {"provider": choice.provider, "reached": choice.reached or "sent"}
    return None


def _scanned(context: Context, campaign_id: str, choice: Choice, after: int, at_most: int) -> Rows:
    """In ranges of keys that grow, as one query over all of 50 million messages sorts them all.

    What is rare is not looked for to the end: fewer rows, with an `after`, are what was found in some seconds.
    """
    ends, parts, found, span = time.monotonic() + _LOOKS_FOR_S, [], 0, at_most * _ROWS_A_MESSAGE
    chosen = {"state": choice.state, "reached": choice.reached}
    while True:
        until = context.rows("messages_until", campaign_id=campaign_id, after=after, span=span)[0]["until"]
        range_ = {"after": after, "until": after if until is None else until, "at_most": at_most - found}
        parts.append(context.ask("messages_page", campaign_id=campaign_id, **chosen, **range_))
        found += len(parts[-1])
        if until is None:
            return Rows(pl.concat(parts), None)
        after = int(parts[-1]["message_key"][-1]) if found == at_most else int(until)
        if found == at_most or time.monotonic() > ends:
            return Rows(pl.concat(parts), after)
        span = min(span * 4, _LARGEST_SPAN)
