"""Fixtures of the tests that run flows as processes."""

from tests.parts.flows import pipeline

__all__ = ["pipeline"]
