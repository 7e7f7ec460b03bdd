"""Processes as benchmarks and demo start them: waited for until they are there."""

from pathlib import Path

import msgspec
import pytest

from loadgen.kafka_broker import free_port
from loadgen.processes import wait_until_served
from schemas.errors import TidemarkError
from schemas.settings import Settings
from sql.embedded import Address, address_file


def test_an_address_that_a_killed_holder_left_is_no_sign_of_life(tmp_path: Path) -> None:
    folder = tmp_path / "clickhouse"
    address_file(folder).write_bytes(msgspec.json.encode(Address(free_port(), "token")))
    with pytest.raises(TidemarkError, match="is not served within"):
        wait_until_served(Settings(clickhouse=f"chdb://{folder}"), [], 0.3)
