"""How often a person was written to lately: what a frequency cap asks."""

from flows.sending.suppression import normal
from schemas.campaign import FrequencyCap
from schemas.settings import parse_duration_ms


class Caps:
    """By person, the messages that were written to them, and when: from its intent on, and however often it is tried, a
    message counts once, and never against itself.
    """

    def __init__(self) -> None:
        self._times: dict[int, dict[int, int]] = {}
        """Hashes, of this process alone: of the person, and of campaign and row. UTC milliseconds."""

    def full(self, recipient: str, campaign_id: str, seq: int, cap: FrequencyCap, now_ms: int) -> bool:
        """Whether this message would be one too many."""
        times, own = self._times.get(_person(recipient), {}), hash((campaign_id, seq))
        since = now_ms - parse_duration_ms(cap.per)
        return sum(at > since for message, at in times.items() if message != own) >= cap.messages

    def add(self, recipient: str, campaign_id: str, seq: int, at_ms: int) -> None:
        self._times.setdefault(_person(recipient), {})[hash((campaign_id, seq))] = at_ms


def _person(recipient: str) -> int:
    return hash(normal(recipient))
