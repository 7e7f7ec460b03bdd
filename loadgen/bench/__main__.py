"""What Tidemark's parts do in a second, measured: `python -m loadgen.bench NAME [--json]`, each with a `--help`.

NAME is one of: pipeline, route, window, latency, backpressure, scale, webhooks, reports, page, send.
"""

import sys
from collections.abc import Callable

from loadgen.bench import backpressure, latency, page, pipeline, reports, route, scale, send, webhooks, window
from loadgen.command import run
from schemas.errors import UsageError

COMMANDS: dict[str, Callable[[list[str]], int]] = {
    "pipeline": pipeline.command,
    "webhooks": webhooks.command,
    "backpressure": backpressure.command,
    "latency": latency.command,
    "route": route.command,
    "scale": scale.command,
    "window": window.command,
    "reports": reports.command,
    "page": page.command,
    "send": send.command,
}
"""A module each; a command takes the words after its name and returns the exit code."""


def main(arguments: list[str]) -> int:
    """The exit code: 0, 1 for figures that are off, 2 for wrong arguments."""
    name, *others = arguments or [""]
    return run("loadgen.bench", lambda: _command(name)(others))


def _command(name: str) -> Callable[[list[str]], int]:
    if name in ("-h", "--help"):
        print(__doc__)
        sys.exit(0)
    if name not in COMMANDS:
        raise UsageError(f"{name!r} is none of: {', '.join(COMMANDS)}")
    return COMMANDS[name]


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
