"""Which messages are traced, and under which ids: every process works them out from the message alone.

`python -m sql.telemetry.sampling CAMPAIGN KEY` tells a message's trace id, and at which rate it is traced.

    trace   BLAKE2b-128 of campaign~key           so no header has to travel through the provider and back
    span    BLAKE2b-64 of trace, step, attempt…   so a step names the one before it, in whatever process that was

A message is sampled by Fibonacci hashing (Knuth, The Art of Computer Programming 3, 6.4): of keys that lie close, as
ours do, one in N is met almost exactly.
"""

import sys
from hashlib import blake2b

import numpy as np
from numpy.typing import NDArray

from sql.cli import Parser, run

_GOLDEN = 0x9E3779B97F4A7C15
_MASK = (1 << 64) - 1


class Sampling:
    """One message in `one_in`, of each campaign others."""

    def __init__(self, one_in: int) -> None:
        self._highest = _MASK // one_in
        self._salts: dict[str, int] = {}

    @staticmethod
    def rarest(campaign: str, key: int) -> int:
        """The greatest `one_in` that takes this message."""
        return _MASK // max((key * _GOLDEN + _number(campaign, 8)) & _MASK, 1)

    def takes(self, campaign: str, key: int) -> bool:
        return (key * _GOLDEN + self._salt(campaign)) & _MASK <= self._highest

    def rows(self, keys: NDArray[np.int64], campaigns: list[str], campaign: NDArray[np.integer]) -> NDArray[np.intp]:
        """Where the sampled ones stand; `campaign` numbers each row's among `campaigns`. 4 ns a row."""
        salts = np.array([self._salt(name) for name in campaigns], np.uint64)
        hashes = keys.astype(np.uint64) * np.uint64(_GOLDEN) + salts[campaign]
        return np.flatnonzero(hashes <= np.uint64(self._highest))

    def _salt(self, campaign: str) -> int:
        """Names come from outside: what is remembered of them is bounded."""
        if len(self._salts) > 10_000:
            self._salts = {}
        if campaign not in self._salts:
            self._salts[campaign] = _number(campaign, 8)
        return self._salts[campaign]


def trace_id(campaign: str, key: int) -> int:
    """128 bits, never 0."""
    return _number(f"{campaign}~{key}", 16)


def span_id(trace: int, step: str, *parts: str | int) -> int:
    """64 bits, never 0."""
    return _number("~".join(map(str, (trace, step, *parts))), 8)


def _number(text: str, size: int) -> int:
    return int.from_bytes(blake2b(text.encode(), digest_size=size).digest()) or 1


def main(argv: list[str] | None = None) -> None:
    parser = Parser(prog="python -m sql.telemetry.sampling", description="The trace of one message.")
    parser.add_argument("campaign")
    parser.add_argument("key", type=int, help="message_key")
    told = parser.parse_args(argv)
    rarest = Sampling.rarest(told.campaign, told.key)
    print(f"{trace_id(told.campaign, told.key):032x}  traced where TIDEMARK_TRACES_ONE_IN is {rarest} or less")


if __name__ == "__main__":
    sys.exit(run("sql.telemetry.sampling", main))
