"""What the simulator's webhooks have said, as far as someone answered 2xx: what a dashboard must show in the end."""

from collections import defaultdict

from msgspec import Struct

from loadgen.provider.shapes import Sent


class Said(Struct):
    """`waiting`: webhooks, repeats included, that nobody took yet. `campaigns`: messages by status, each once."""

    waiting: int
    campaigns: dict[str, dict[str, int]]


class Told:
    """`plan` for each webhook that is to come, `take` once it was taken."""

    def __init__(self) -> None:
        self._waiting = 0
        self._keys: dict[tuple[str, str], set[int]] = defaultdict(set)
        """By campaign and status."""

    def plan(self) -> None:
        self._waiting += 1

    def take(self, sent: Sent, status: str) -> None:
        campaign, key, _, _ = sent.ids()
        self._waiting -= 1
        self._keys[campaign, status].add(key)

    def said(self) -> Said:
        campaigns: dict[str, dict[str, int]] = defaultdict(dict)
        for (campaign, status), keys in self._keys.items():
            campaigns[campaign][status] = len(keys)
        return Said(self._waiting, dict(campaigns))
