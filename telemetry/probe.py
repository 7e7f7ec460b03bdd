"""`python -m telemetry.probe URL`: exit code 0 where it answers 200. For health checks in images without curl."""

import sys
from collections.abc import Sequence
from urllib.error import URLError
from urllib.request import urlopen

_TIMEOUT_S = 4.0


def main(arguments: Sequence[str]) -> int:
    """Prints what was answered, or why there was nothing."""
    if len(arguments) != 1 or not arguments[0].startswith("http://"):
        print("telemetry.probe: one argument, http://HOST:PORT/PATH", file=sys.stderr)
        return 2
    try:
        with urlopen(arguments[0], timeout=_TIMEOUT_S) as answer:
            print(answer.read(1_000).decode(errors="replace").strip())
    except (URLError, OSError) as error:
        print(f"telemetry.probe: {arguments[0]}: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
