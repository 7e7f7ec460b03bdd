"""Fixtures of the tests that run flows as processes."""

from itertools import count

import pytest

from sql.serve import Ready
from tests.parts.flows import pipeline

__all__ = ["pipeline"]

_numbers = count()


@pytest.fixture
def server_dsn(clickhouse_server: Ready) -> str:
    """An empty database over HTTP, still to be made."""
    return clickhouse_server.dsn.replace("/tidemark", f"/processes_{next(_numbers)}")
