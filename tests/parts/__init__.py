"""Real parts that tests start: a broker, …; each says how to get it where the machine lacks it."""

import os
from typing import NoReturn

import pytest


def lacking(part: str, remedy: str) -> NoReturn:
    """Skip the test with one line that says how to get `part`; on CI a test left out is a failure."""
    text = f"needs {part}: {remedy}"
    if os.environ.get("CI") == "true":
        pytest.fail(text, pytrace=False)
    pytest.skip(text)
