"""`kill -9` at random moments costs nothing: `python -m loadgen.kills`, with fewer kills than an operator would try."""

import json
import subprocess
import sys
from typing import Any

from loadgen.processes import environment


def _kills(messages: int, kills: int, **variables: str) -> dict[str, Any]:
    done = subprocess.run(
        [sys.executable, "-m", "loadgen.kills", "--messages", str(messages), "--kills", str(kills), "--json"],
        env=environment(variables),
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
    said: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return said


def test_without_a_kill_nothing_is_written_again() -> None:
    """What the other tests count is there because of kills."""
    said = _kills(2_000, 0)
    assert (said["exact"], said["rows_replayed"], said["exit_codes"]) == (True, 0, [0, 0])


def test_killed_while_it_holds_the_embedded_engine() -> None:
    said = _kills(20_000, 4)
    assert (said["exact"], said["kills"], said["exit_codes"]) == (True, 4, [0, 0])
    assert said["rows_replayed"] > 0


def test_killed_with_kafka_and_a_server(own_kafka, server_dsn: str) -> None:
    said = _kills(10_000, 2, TIDEMARK_BROKER=own_kafka.dsn, TIDEMARK_CLICKHOUSE=server_dsn)
    assert (said["exact"], said["kills"], said["exit_codes"]) == (True, 2, [0, 0])
