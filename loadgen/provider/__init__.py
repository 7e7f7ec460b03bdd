"""A provider simulator: `python -m loadgen.provider`."""
