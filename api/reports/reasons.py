"""Providers' error codes in plain words, each with who acts and how: `reasons.json`.

Sources: Meta's Cloud API error codes, Twilio's error dictionary (30xxx, 21610), RFC 3463 for e-mail's enhanced status
codes, Firebase's and APNs' send errors.
"""

from functools import cache
from importlib.resources import files

import msgspec
from msgspec import Struct


class Reason(Struct, frozen=True):
    """`owner` "Nobody": it mends itself; "Automatic": Tidemark acts."""

    meaning: str
    owner: str
    action: str
    known: bool = True


def reason_of(provider: str, error_code: str) -> Reason:
    """By the code alone: providers of one kind share their codes, and a code means one thing."""
    if not error_code:
        return Reason("The provider gave no reason", "Messaging ops", f"asks {provider} for the reason")
    found = _reasons().get(error_code)
    if found:
        return found
    return Reason(f"Code {error_code}", "Messaging ops", f"looks it up at {provider}", known=False)


@cache
def _reasons() -> dict[str, Reason]:
    return msgspec.json.decode(files("api.reports").joinpath("reasons.json").read_bytes(), type=dict[str, Reason])
