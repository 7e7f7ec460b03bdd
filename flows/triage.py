"""What to do about a dead letter, by its reason."""

from typing import NamedTuple


class Advice(NamedTuple):
    """Whose fault it most likely is, and what to do."""

    whose: str
    do: str


_OURS = "a bug or a lack of ours"
_THEIRS = "the provider's, or somebody else's who found the address"
_SENDERS = "who wrote the record"

ADVICE = {
    "parser_failed": Advice(_OURS, "mend the parser, then replay"),
    "unknown_provider": Advice(_OURS, "add the provider, or mend the receiver's path; then replay"),
    "wrong_shape": Advice("a format that changed, or " + _SENDERS, "see the detail; mend the parser and replay"),
    "invalid_json": Advice(_THEIRS, "look at a few; discard"),
    "invalid_utf8": Advice(_THEIRS, "look at a few; discard"),
    "bad_envelope": Advice("a torn write, or a receiver that is not ours", "look at a few; discard"),
    "out_of_range": Advice(_THEIRS, "look at a few; discard, or widen the bound and replay"),
    "time_out_of_range": Advice("a clock, the provider's or ours", "check TIDEMARK_CLOCK and NTP, then replay"),
    "too_large": Advice(_THEIRS, "ask the provider for smaller bodies; discard"),
    "no_identity": Advice(_SENDERS, "mend the sender; discard, or write the record again"),
}
"""By the reasons that the flows give."""
_UNKNOWN = Advice("not known", "look at the details")


def advice(reason: str) -> Advice:
    return ADVICE.get(reason, _UNKNOWN)
