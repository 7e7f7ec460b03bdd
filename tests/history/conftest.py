"""Fixtures of the tests of what can be made of the past."""

from tests.flows.conftest import _opened, tables
from tests.parts.flows import pipeline

__all__ = ["_opened", "pipeline", "tables"]
