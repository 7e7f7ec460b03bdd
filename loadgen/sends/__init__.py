"""Whole sends against the simulator: scenes that tests, benchmarks and the kill harness share."""
