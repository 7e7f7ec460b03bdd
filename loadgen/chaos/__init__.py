"""Real processes under load, broken at random by a seed, and an oracle that knows what must come out."""
