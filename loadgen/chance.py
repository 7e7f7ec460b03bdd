"""Draws that depend only on the seed, on what is drawn and for whom: however a run is cut, it comes out the same."""

import zlib
from collections.abc import Sequence

import numpy as np
import polars as pl
from numpy.typing import NDArray

Ids = NDArray[np.uint64]
Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]

_RAREST = 1e-6


def scramble(ids: Ids) -> Ids:
    """One-to-one over 64 bits: the finaliser of SplitMix64 (Steele, Lea, Flood 2014)."""
    mixed = ids + np.uint64(0x9E3779B97F4A7C15)
    mixed = (mixed ^ (mixed >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    mixed = (mixed ^ (mixed >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return mixed ^ (mixed >> np.uint64(31))


class Chance:
    """Every method takes `ids`, whom the draw is for, and gives as many results."""

    def __init__(self, seed: int, scope: str) -> None:
        self._seed = (seed * 0x9E3779B97F4A7C15 + zlib.crc32(scope.encode())) % 2**64

    def uniform(self, purpose: str, ids: Ids) -> Floats:
        """From 0 up to, not including, 1."""
        salt = np.array([self._seed ^ zlib.crc32(purpose.encode())], dtype=np.uint64)
        bits = scramble(ids ^ scramble(salt))
        return (bits >> np.uint64(11)).astype(np.float64) * 2.0**-53

    def happens(self, purpose: str, ids: Ids, share: float | Floats) -> Flags:
        return np.asarray(self.uniform(purpose, ids) < share, dtype=np.bool_)

    def wait_ms(self, purpose: str, ids: Ids, p50_ms: float | Floats, p99_ms: float | Floats) -> Floats:
        """Log-logistic: the quantile function is `p50 * (u / (1 - u)) ** shape`, so both quantiles are hit."""
        drawn = np.clip(self.uniform(purpose, ids), _RAREST, 1 - _RAREST)
        shape = np.log(np.divide(p99_ms, p50_ms)) / np.log(99)
        return np.asarray(p50_ms * (drawn / (1 - drawn)) ** shape, dtype=np.float64)

    def pick(self, purpose: str, ids: Ids, names: Sequence[str | None], weights: Sequence[float] = ()) -> pl.Series:
        """One of `names` each, as strings; alike often without `weights`."""
        edges = np.cumsum(weights or [1.0] * len(names))
        places = np.searchsorted(edges, self.uniform(purpose, ids) * edges[-1], side="right")
        return pl.Series(list(names), dtype=pl.String).gather(places)
