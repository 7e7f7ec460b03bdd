"""What the commands of this package have in common: one line for an error, and its exit code."""

import argparse
import sys
from collections.abc import Callable
from typing import NoReturn

from schemas.errors import TidemarkError, UsageError

INTERRUPTED = 130


class Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        raise UsageError(message)


def run(name: str, command: Callable[[], int | None]) -> int:
    """The exit code of `command`: what it returns (None: 0), what its error says, or that of an interrupt."""
    try:
        return command() or 0
    except TidemarkError as error:
        print(f"{name}: {error}", file=sys.stderr)
        return error.exit_code
    except KeyboardInterrupt:
        return INTERRUPTED


def progress(line: str) -> None:
    """For who watches; nothing in a pipe."""
    if sys.stderr.isatty():
        print(line, file=sys.stderr)
