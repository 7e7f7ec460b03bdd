"""`python -m schemas.export`: the contracts as JSON Schema, for those who write records in other languages."""

import sys
from pathlib import Path

import msgspec

from schemas.campaign import Campaign
from schemas.events import DeadLetter, Envelope, StatusEvent
from schemas.outbound import AnyOutbound

FOLDER = Path(__file__).parent / "json"
CONTRACTS = {
    "envelope": Envelope,
    "status_event": StatusEvent,
    "outbound": AnyOutbound,
    "dead_letter": DeadLetter,
    "campaign": Campaign,
}


def documents() -> dict[str, bytes]:
    """By file name, each contract's schema (JSON Schema 2020-12), a line an entry."""
    return {f"{name}.json": _document(contract) for name, contract in CONTRACTS.items()}


def _document(contract: object) -> bytes:
    schema = {"$schema": "https://json-schema.org/draft/2020-12/schema", **msgspec.json.schema(contract)}
    return msgspec.json.format(msgspec.json.encode(schema), indent=2) + b"\n"


def main() -> int:
    FOLDER.mkdir(exist_ok=True)
    for name, document in documents().items():
        (FOLDER / name).write_bytes(document)
    return 0


if __name__ == "__main__":
    sys.exit(main())
