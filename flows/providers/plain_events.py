"""Status events straight from plain JSON bodies: what `BodyReader` gives, several times as fast.

requests ─▶ JsonRows ─▶ cells by the contract's names ─▶ bounds, ids ─▶ PlainEvents
               │                                            │
               └───── bodies left for `BodyReader` ◀────────┘

A body is left, whole, where anything in it is out of the ordinary.
"""

import re
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from flows.plain_lines import Bytes, Flags, interned
from flows.providers.bodies import MAX_REPORTS
from flows.providers.bounds import largest, pattern_of, smallest
from flows.providers.echo_scan import DOUBTFUL, scan_echoes
from flows.providers.json_reader import read_documents
from flows.providers.json_rows import Cells, Rows
from flows.providers.provider import ECHO, Provider, Request, Shortcut
from flows.words import LENGTH_BITS, NOTHING, address
from schemas.columns import STATUS_COLUMNS
from schemas.statuses import Status

_PLAIN = re.compile(r"[ !#-\[\]-~]*")
_STATUSES = list(Status)
_UNKNOWN = _STATUSES.index(Status.UNKNOWN)
_IDS = ("campaign_id", "message_key", "attempt", "sent_at")
_START = (1 << LENGTH_BITS) - 1
NUMBERS = {name for name, kind in STATUS_COLUMNS.items() if kind.is_integer()}


class PlainEvents(NamedTuple):
    """Status events as cells (`flows.words.NOTHING`) by the contract's names; fields that none has are left out.

    Texts stand in `text`, eight bytes before its end at the latest. `campaigns` are the distinct ones, `campaign` says
    for each event which (of `None`: "").
    """

    text: Bytes
    cells: dict[str, Cells]
    statuses: NDArray[np.int64]
    campaigns: list[str]
    campaign: NDArray[np.uint32]


class _Bodies(NamedTuple):
    """For each event: its body, counted from 0, the body's receipt as a cell, and its receive time."""

    of_event: Cells
    receipts: Cells
    received_at: Cells


def read_plain(provider: Provider, requests: Sequence[Request]) -> tuple[list[PlainEvents], list[int]]:
    """The events of plain bodies, and the places of the requests that are left."""
    if not provider.shortcuts or not _PLAIN.fullmatch("".join(request.receipt_id for request in requests)):
        return [], list(range(len(requests)))
    left, found = np.arange(len(requests)), []
    for shortcut in provider.shortcuts:
        tried = [requests[place] for place in left.tolist()]
        events, others = _read(provider, shortcut, tried)
        found += [events] if len(events.statuses) else []
        left = left[others]
    return found, left.tolist()


def _read(provider: Provider, shortcut: Shortcut, requests: Sequence[Request]) -> tuple[PlainEvents, NDArray[np.int64]]:
    rows = read_documents(shortcut.rows, [request.body or "" for request in requests])
    receipts = [request.receipt_id for request in requests]
    texts = [rows.text, "".join(receipts).encode(), provider.name.encode(), *(name.encode() for name in _STATUSES)]
    text = np.frombuffer(b"".join([*texts, bytes(8)]), np.uint8)
    places = _cells(len(texts[0]), [*map(len, receipts), *map(len, texts[2:])])
    own, statuses = places[len(receipts)], places[len(receipts) + 1 :]
    of_event = np.repeat(np.arange(len(requests)), np.maximum(rows.counts, 0))
    received_at = np.fromiter((request.received_at for request in requests), np.int64, len(requests))
    bodies = _Bodies(of_event, places[of_event], received_at[of_event])
    events, doubtful = _completed(provider, shortcut, rows, bodies, text, own, statuses)
    wrong = (rows.counts < 0) | (rows.counts > MAX_REPORTS)
    wrong[of_event[doubtful]] = True
    kept = ~wrong[of_event]
    return (events if kept.all() else _kept(events, kept)), np.flatnonzero(wrong)


def _cells(start: int, lengths: Sequence[int]) -> Cells:
    """Those of texts that stand behind one another."""
    sizes = np.array(lengths, np.int64)
    return (start + np.cumsum(sizes) - sizes) | sizes << LENGTH_BITS


def _completed(
    provider: Provider, shortcut: Shortcut, rows: Rows, bodies: _Bodies, text: Bytes, own: int, statuses: Cells
) -> tuple[PlainEvents, Flags]:
    """The events, and which of them are doubtful."""
    cells = {name: _first(rows, fields) for name, fields in shortcut.fields.items()}
    doubtful = _add_ids(cells, text)
    times = cells["event_time"] * shortcut.ms_per_time
    status = _status_of(provider, cells.get("status", cells["raw_status"]), text)
    cells |= {
        "status": statuses[status],
        "event_time": np.where(cells["event_time"] == NOTHING, bodies.received_at, times),
        "received_at": bodies.received_at,
        "receipt_id": bodies.receipts,
        "attempt": np.where(cells["attempt"] == NOTHING, 1, cells["attempt"]),
        "provider": _or(cells.get("provider"), own, len(status)),
    }
    campaign, campaigns = interned(*_spans(text, cells["campaign_id"]))
    odd = np.array([bool(name) and not _CAMPAIGN.fullmatch(name) for name in campaigns], np.bool_)
    for name, column in cells.items():
        doubtful |= _beyond(name, column)
    doubtful |= odd[campaign] | (cells["campaign_id"] >> LENGTH_BITS == 0) | _unnamed(cells)
    held = {name: column for name, column in cells.items() if (column != NOTHING).any()}
    return PlainEvents(text, held, status, campaigns, campaign), doubtful


def _first(rows: Rows, fields: str | tuple[str, str]) -> Cells:
    """The field, or the first of two that is not null."""
    if isinstance(fields, str):
        return rows.cells[fields]
    first, second = (rows.cells[field] for field in fields)
    return np.where(first == NOTHING, second, first)


def _add_ids(cells: dict[str, Cells], text: Bytes) -> Flags:
    """In place of the echo, if there is one, the ids in it; which of these are doubtful."""
    echoes = cells.pop(ECHO, None)
    if echoes is None:
        return np.zeros(len(cells["raw_status"]), np.bool_)
    for name in _IDS:
        cells[name] = np.full(len(echoes), NOTHING, np.int64)
    doubtful: Flags = scan_echoes(address(text), echoes, *(cells[name] for name in _IDS)) == DOUBTFUL
    return doubtful


def _status_of(provider: Provider, said: Cells, text: Bytes) -> NDArray[np.int64]:
    codes, distinct = interned(*_spans(text, said))
    known = [_STATUSES.index(provider.statuses.get(raw, Status.UNKNOWN)) for raw in distinct]
    return np.array(known, np.int64)[codes]


def _spans(text: Bytes, cells: Cells) -> tuple[NDArray[np.int64], NDArray[np.int32]]:
    """Addresses and lengths."""
    return (cells & _START) + np.int64(address(text)), (cells >> LENGTH_BITS).astype(np.int32)


def _or(cells: Cells | None, otherwise: int, rows: int) -> Cells:
    return np.full(rows, otherwise) if cells is None else np.where(cells == NOTHING, otherwise, cells)


def _beyond(name: str, column: Cells) -> Flags:
    """Where it holds what the contract does not allow."""
    sizes = column if name in NUMBERS else column >> LENGTH_BITS
    beyond: Flags = (sizes > largest(name)) | ((sizes < smallest(name)) & (column != NOTHING))
    return beyond


def _unnamed(cells: Mapping[str, Cells]) -> Flags:
    """No message, or half of one."""
    no_campaign, no_key = cells["campaign_id"] == NOTHING, cells["message_key"] == NOTHING
    unnamed: Flags = (no_campaign != no_key) | (no_key & (cells["provider_message_id"] == NOTHING))
    return unnamed


def _kept(events: PlainEvents, kept: Flags) -> PlainEvents:
    cells = {name: column[kept] for name, column in events.cells.items()}
    return events._replace(cells=cells, statuses=events.statuses[kept], campaign=events.campaign[kept])


_CAMPAIGN = re.compile(pattern_of("campaign_id"))
