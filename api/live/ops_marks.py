"""Marks in the time charts of the operations page: what befell senders and flows, as their tables tell."""

from typing import Any

from api.live.ops_snapshot import OpsMark
from schemas.times import SECOND_MS

MOST_MARKS = 8
_SILENCE_MS = 10_000


def marks_of(senders: list[dict[str, Any]], flows: list[dict[str, Any]]) -> list[OpsMark]:
    """The last of them, in order; `senders`, `flows`: rows of sender_changes and flow_changes."""
    marks = [_mark(row["at"], "sender", what) for row in senders for what in _of_sender(row)]
    marks += [_mark(row["step"], "flow", what) for row in flows for what in _of_flow(row)]
    return sorted(marks, key=lambda mark: mark.at)[-MOST_MARKS:]


def _mark(at: Any, whose: Any, what: str) -> OpsMark:
    return OpsMark(at=int(at.timestamp()), whose=whose, what=what)


def _of_sender(row: dict[str, Any]) -> list[str]:
    name, words = row["campaign_id"], []
    if row["stopped_by"] != row["stopped_before"]:
        words.append(f"{name} {_stopped(row['stopped_by'])}")
    if row["allowed_per_s"] != row["allowed_before"]:
        words.append(f"{name}: limit {row['allowed_before']:,.0f} → {row['allowed_per_s']:,.0f}")
    return words


def _stopped(by: str) -> str:
    cause = by.partition(": ")[0]
    return {"": "goes on", "breaker open": "breaks off a route"}.get(cause, cause)


def _of_flow(row: dict[str, Any]) -> list[str]:
    name, words = f"flows.{row['flow']}", []
    if row["quiet_ms"] >= _SILENCE_MS:
        words.append(f"{name} back after {row['quiet_ms'] / SECOND_MS:.0f} s")
    if row["slices"] != row["slices_before"]:
        words.append(f"{name}: {row['slices_before']} → {row['slices']} slices")
    if row["retries"]:
        words.append(f"{name}: inserts tried again")
    return words
