"""Topics of both kinds, so that one test runs on each."""

from pathlib import Path
from uuid import uuid4

import pytest

from schemas.settings import Settings
from tests.parts.kafka import KafkaBroker
from tests.topics.reading import file_settings


@pytest.fixture(params=["file", "kafka"])
def settings(request: pytest.FixtureRequest, tmp_path: Path) -> Settings:
    """New topics get three partitions."""
    if request.param == "file":
        return file_settings(tmp_path / "topics", partitions=3)
    broker: KafkaBroker = request.getfixturevalue("kafka")
    return Settings(broker=broker.dsn, partitions=3)


@pytest.fixture
def topic() -> str:
    """A name no other test uses."""
    return f"t.{uuid4().hex[:12]}"
