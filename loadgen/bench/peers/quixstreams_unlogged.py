"""Quix Streams without changelog topics: faster, and what it remembered since its last commit may be lost with it."""

from functools import partial

from loadgen.bench.contest import compete
from loadgen.bench.peers.quixstreams import prepare

if __name__ == "__main__":
    compete(partial(prepare, changelog=False))
