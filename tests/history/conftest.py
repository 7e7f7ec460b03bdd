"""Fixtures of the tests of what can be made of the past."""

from tests.parts.flows import pipeline

__all__ = ["pipeline"]
