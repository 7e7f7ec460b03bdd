"""A campaign to send, with an audience that has everything in it; who is eligible is known here by its own rule."""

from pathlib import Path
from typing import Any

import yaml

CAMPAIGN = "autumn"
_EVERY = 100
_SKIPPED = {7: "invalid", 13: "duplicate", 29: "suppressed", 31: "unrenderable"}


def skipped(seq: int) -> str:
    """Why a row is not sent; empty: it is."""
    return _SKIPPED.get(seq % _EVERY, "")


def eligible(rows: int) -> set[int]:
    return {seq for seq in range(rows) if not skipped(seq)}


def write_audience(path: Path, rows: int, *, plain: bool = False) -> None:
    """`to,name,consent,bonus`; `plain` rows are all eligible."""
    with path.open("w") as file:
        file.write("to,name,consent,bonus\n")
        for seq in range(rows):
            reason = "" if plain else skipped(seq)
            to = {"invalid": "", "duplicate": f"user{seq - 1}"}.get(reason, f"user{seq}")
            consent, bonus = "no" if reason == "suppressed" else "yes", "" if reason == "unrenderable" else 5
            file.write(f"{to},Reader {seq},{consent},{bonus}\n")


def write_campaign(folder: Path, url: str, **changes: Any) -> Path:
    """The campaign's file beside its audience `people.csv`, with `changes` to its fields."""
    campaign: dict[str, Any] = {
        "id": CAMPAIGN,
        "audience": {"file": "people.csv"},
        "channel": "in_app",
        "provider": "http",
        "connection": {"url": f"{url}/send"},
        "senders": [{"id": "inbox"}],
        "template": {"text": "Hello {{ name }}, {{ 100 // (bonus|int) }} points are yours until Sunday."},
        "consent": "consent",
    }
    path = folder / f"{changes.get('id', CAMPAIGN)}.yaml"
    path.write_text(yaml.safe_dump(campaign | changes, sort_keys=False))
    return path
