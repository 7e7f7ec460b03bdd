"""What a provider's file declares: how its bodies are read, and what its statuses are called here."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import polars as pl
from msgspec import Struct

from flows.providers.json_rows import JsonRows
from flows.providers.signing import SHARED_SECRET, Hook
from schemas.columns import STATUS_COLUMNS
from schemas.events import Milliseconds, Reference, Token
from schemas.statuses import Status

ECHO = "echo"
Columns = Mapping[str, Sequence[Any] | pl.Series]
"""Columns of `STATUS_COLUMNS` by name, and `ECHO`: the text of ours, or another's, that the provider gives back."""


class Request(Struct, frozen=True, gc=False, kw_only=True):
    """What parsing needs of an `Envelope`. Leaving the headers undecoded makes reading envelopes a third faster."""

    receipt_id: Reference
    provider: Token
    received_at: Milliseconds
    url: str = ""
    content_type: str = ""
    body: str | None = None
    body_base64: str | None = None


class Reported(Struct, gc=False):
    """One status as a provider told it, for `parse` to return where nothing faster is called for.

    `event_time` is UTC milliseconds, None where the provider gives no usable time: then the receive time holds.
    """

    raw_status: str
    event_time: int | None
    provider_message_id: str | None
    recipient: str | None = None
    error_code: str | None = None
    provider_event_id: str | None = None
    echo: str | None = None


class Resolved(Reported):
    """A status whose raw text alone doesn't say what it means: `status` is what `statuses` is asked for."""

    status: str = ""


def reported_columns(reports: Sequence[Reported]) -> Columns:
    """All of one type: `Reported`, or one that adds columns of its own."""
    names = type(reports[0]).__struct_fields__ if reports else Reported.__struct_fields__
    return {name: [getattr(report, name) for report in reports] for name in names}


class Shortcut(Struct, frozen=True, eq=False, kw_only=True):
    """How to read plain JSON bodies without `parse`: where each field of the contract, and `ECHO`, comes from.

    Of two fields the first that is not null holds. `event_time`, `raw_status` and `provider_message_id` are always
    there, our ids unless there is an `ECHO`.
    """

    rows: JsonRows
    fields: Mapping[str, str | tuple[str, str]]
    ms_per_time: int = 1


class Provider(Struct, frozen=True, eq=False, kw_only=True):
    """One provider: pure functions and a table.

    `parse` takes one request and returns what its body reports, in order, as objects of the provider's own type
    (`gc=False`: collecting garbage among them cost three times their decoding); a body without a status event gives
    none. It raises BadRecord with a `Reason`, and then nothing of the body counts.

    `columns` turns the reports of many bodies into columns at once, `raw_status` always among them; bounds are
    checked after it, for all providers alike.

    `shortcuts` are tried in their order; what all of them leave is parsed.

    `statuses` says what `status` is here, or `raw_status` where `columns` gives no `status`; any other is `unknown`.

    `hook` says how the provider calls back and how that is verified; without one it signs nothing.
    """

    name: str
    statuses: Mapping[str, Status]
    parse: Callable[[Request], list[Any]]
    columns: Callable[[list[Any]], Columns] = reported_columns
    shortcuts: Sequence[Shortcut] = ()
    hook: Hook = SHARED_SECRET


def column(name: str, values: Sequence[Any] | pl.Series) -> pl.Series:
    """`values` in the contract's type for `name`; raises TypeError or OverflowError where they don't fit."""
    return pl.Series(name, values, dtype=STATUS_COLUMNS.get(name, pl.String()))
