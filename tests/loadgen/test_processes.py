"""Processes as benchmarks and demo start them: waited for until they are there."""

from pathlib import Path

import msgspec
import pytest

from loadgen.kafka_broker import free_port
from loadgen.processes import Flow, end, wait_until_served
from schemas.errors import TidemarkError
from schemas.settings import Settings
from sql.embedded import Address, address_file


def test_an_address_that_a_killed_holder_left_is_no_sign_of_life(tmp_path: Path) -> None:
    folder = tmp_path / "clickhouse"
    address_file(folder).write_bytes(msgspec.json.encode(Address(free_port(), "token")))
    with pytest.raises(TidemarkError, match="is not served within"):
        wait_until_served(Settings(clickhouse=f"chdb://{folder}"), [], 0.3)


def test_one_that_is_still_loading_is_asked_to_end_when_it_listens(tmp_path: Path) -> None:
    loads_for_a_while = """
import signal, sys, time
time.sleep(1.0)
signal.signal(signal.SIGTERM, lambda *_: sys.exit(7))
signal.pause()
"""
    assert end([Flow(["-c", loads_for_a_while], {}, tmp_path / "log")]) == [7]


def test_one_that_ended_before_it_listened_is_not_waited_for(tmp_path: Path) -> None:
    assert end([Flow(["-c", "raise SystemExit(3)"], {}, tmp_path / "log")]) == [3]
