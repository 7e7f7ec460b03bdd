"""The campaign that the demo sends: WhatsApp, e-mail for whom it does not reach; its audience has everything in it."""

from pathlib import Path
from typing import Any

import yaml
from msgspec import Struct

from loadgen.sends.scene import skipped
from schemas.errors import UsageError

NUMBERS = ("106540352242922", "106540352242923", "106540352242924")
MAIL_SENDER = "sale@tidemark.example"
FAILURES = {
    "meta_whatsapp/131026": 0.02,
    "meta_whatsapp/131049": 0.008,
    "meta_whatsapp/131056": 0.004,
    "meta_whatsapp/131050": 0.002,
    "sendgrid/400": 0.01,
}
"""What the providers refuse, by code: not on WhatsApp, enough for today, too many to one person, opted out."""
SWALLOWED = 0.0005
"""Taken, and never answered: in doubt until a webhook tells."""
_LARGEST_AUDIENCE = 5_000_000
_LONGEST_S = 86_400
_SENDING_SHARE = 0.85
_MAIL_EVERY = 4
_PHONES = ("+49151{:08}", "+336{:08}", "+346{:08}", "+3161{:07}", "+9198{:08}")
_WEIGHTS = (0, 0, 0, 0, 1, 1, 2, 2, 3, 4)


class Sale(Struct, frozen=True, kw_only=True):
    """`seconds`: from the first message until the last reader."""

    messages: int
    seconds: int
    id: str = "autumn-sale"

    def __post_init__(self) -> None:
        """Raises UsageError where it cannot be."""
        if not 1 <= self.messages <= _LARGEST_AUDIENCE:
            raise UsageError(f"messages: from 1 to {_LARGEST_AUDIENCE}")
        if not 1 <= self.seconds <= _LONGEST_S:
            raise UsageError(f"seconds: from 1 to {_LONGEST_S}")

    @property
    def per_s(self) -> float:
        return max(self.messages / (self.seconds * _SENDING_SHARE), 1.0)

    @property
    def delay_ms(self) -> float:
        """Median until a message is delivered."""
        return self.seconds * 1000 / 90

    def accounting(self) -> dict[str, int]:
        """Those that are never sent, by the lines of the accounting query."""
        lines: dict[str, int] = {}
        for reason in filter(None, map(skipped, range(self.messages))):
            lines[f"screened: {reason}"] = lines.get(f"screened: {reason}", 0) + 1
        return lines

    def write(self, folder: Path, provider_url: str) -> Path:
        """Campaign and audience; the campaign's path."""
        folder.mkdir(parents=True, exist_ok=True)
        _write_people(folder / "people.csv", self.messages)
        path = folder / "campaign.yaml"
        path.write_text(yaml.safe_dump(_campaign(self, provider_url), sort_keys=False))
        return path


def _write_people(path: Path, rows: int) -> None:
    with path.open("w") as file:
        file.write("phone,email,name,visits,opted_in\n")
        for seq in range(rows):
            reason = skipped(seq)
            phone = {"invalid": "+49 151", "duplicate": _phone(seq - 1)}.get(reason, _phone(seq))
            mail = f"reader{seq}@example.com" if seq % _MAIL_EVERY == 0 else ""
            visits = 0 if reason == "unrenderable" else 1 + seq % 9
            file.write(f"{phone},{mail},Reader {seq},{visits},{'no' if reason == 'suppressed' else 'yes'}\n")


def _phone(seq: int) -> str:
    return _PHONES[_WEIGHTS[seq // 7 % len(_WEIGHTS)]].format(seq)


def _campaign(sale: Sale, url: str) -> dict[str, Any]:
    return {
        "id": sale.id,
        "name": "Autumn sale",
        "audience": {"file": "people.csv"},
        "channel": "whatsapp",
        "provider": "meta_whatsapp",
        "connection": {"url": url, "token": "demo"},
        "to": "phone",
        "consent": "opted_in",
        "senders": [{"id": number, "per_s": round(sale.per_s * 0.45, 1)} for number in NUMBERS],
        "template": {"name": "autumn_sale", "parameters": ["{{ name }}", "{{ 1800 // (visits|int) }} points"]},
        "fallback": {
            "when": ["outage", "rejected"],
            "channel": "email",
            "provider": "sendgrid",
            "connection": {"url": url, "api_key": "demo"},
            "to": "email",
            "senders": [{"id": MAIL_SENDER}],
            "template": {"subject": "Until Sunday", "text": "{{ name }}, your points are worth double until Sunday."},
        },
        "rates": {"campaign": round(sale.per_s, 1)},
        "sla_p95": "10s",
        "prices": {"DE": 0.11, "FR": 0.12, "ES": 0.05, "NL": 0.13, "IN": 0.01, "": 0.08},
        "stop": {"failures": 0.3},
        "retry": {"first_wait": "300ms", "longest_wait": "3s"},
        "timeout": "4s",
        "settle": "10s",
    }
