"""Campaign files, audiences and messages for tests."""

from pathlib import Path
from typing import Any

import yaml

from flows.sending.campaign_file import load_campaign
from schemas.campaign import Campaign

MINIMAL: dict[str, Any] = {
    "id": "autumn",
    "audience": {"file": "people.csv"},
    "channel": "sms",
    "provider": "dry",
    "senders": [{"id": "Shop"}],
    "template": {"text": "Hello {{ name }}"},
}
PEOPLE = "to,name\n+4917012345678,Ada\n+4917012345679,Grace\n"


def write(folder: Path, changes: dict[str, Any] | None = None, people: str | None = PEOPLE) -> Path:
    """`campaign.yaml` and `people.csv` in `folder`; a change of None takes a field away."""
    told = {name: value for name, value in (MINIMAL | (changes or {})).items() if value is not None}
    path = folder / "campaign.yaml"
    path.write_text(yaml.safe_dump(told, sort_keys=False, allow_unicode=True))
    if people is not None:
        (folder / "people.csv").write_text(people)
    return path


def load(folder: Path, **changes: Any) -> Campaign:
    return load_campaign(write(folder, changes))
