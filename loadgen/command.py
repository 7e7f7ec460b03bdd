"""What the commands of this package have in common."""

import argparse
import os
import signal
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from schemas.settings import PREFIX, Settings
from sql import cli
from sql.cli import Parser

INEXACT = 1
"""The exit code for figures that are off."""


def parser(name: str, about: str | None) -> Parser:
    return Parser(prog=f"python -m {name}", description=about, formatter_class=argparse.RawDescriptionHelpFormatter)


def run(name: str, command: Callable[[], int | None]) -> int:
    """As `sql.cli.run`; SIGTERM ends it as Ctrl-C does, together with the processes that it started."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    return cli.run(name, command)


@contextmanager
def scratch(clock: int, **more: str) -> Iterator[tuple[Settings, Path]]:
    """Settings for parts in a folder that is gone afterwards, and the folder; the environment goes before them."""
    with tempfile.TemporaryDirectory(prefix="tidemark-") as folder:
        own = {"BROKER": f"file://{folder}/topics", "CLICKHOUSE": f"chdb://{folder}/clickhouse"}
        own |= {"RECOVERY": f"{folder}/recovery", "CLOCK": str(clock), **more}
        yield Settings.from_env({PREFIX + name: text for name, text in own.items()} | os.environ), Path(folder)
